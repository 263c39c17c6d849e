/* The server of a federation: its run's folder, its rounds, and its own client where it has data. */
#ifndef IG_CLI_FEDERATE_SERVER_H
#define IG_CLI_FEDERATE_SERVER_H

#include "cli/federate_options.h"

/* From beginning to end. IG_ERR_PEER when too few clients are left. */
ig_status ig_federate_serve(ig_cli *cli, const ig_federate_values *values,
                            const ig_federate_place *place);

#endif
