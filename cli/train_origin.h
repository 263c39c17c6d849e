/* Where a run starts, and what its folder holds by then. */
#ifndef IG_CLI_TRAIN_ORIGIN_H
#define IG_CLI_TRAIN_ORIGIN_H

#include "cli/train_data.h"

/* The settings of the run to go on with, beneath what the command line says now. */
ig_status ig_train_settle(ig_options *options, const ig_train_values *values);
/* Looks at --out (as rank 0, which writes there), --resume, --overwrite, --model and --init. `source`, which is closed by the caller in
 * any case, is opened where there is a checkpoint to start from. */
ig_status ig_train_origin_find(const ig_cli *cli, const ig_train_values *values,
                               ig_model_source *source, ig_train_origin *origin);

#endif
