/* Where a run came from: what to know to repeat it. */
#ifndef IG_CLI_PROVENANCE_H
#define IG_CLI_PROVENANCE_H

#include "cli/verb.h"

/* Version, commit, command line, host, processor, libraries, ranks and time, as JSON; NULL when memory
 * is short. */
json_t *ig_provenance_json(const ig_cli *cli);
/* The commit that the build was configured at, or "unknown". */
const char *ig_build_commit(void);

#endif
