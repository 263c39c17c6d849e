/* A run's folder while it trains: checkpoints, metrics, events, progress, and the report at its end. */
#ifndef IG_CLI_TRAIN_RUN_H
#define IG_CLI_TRAIN_RUN_H

#include "cli/train_data.h"

typedef struct ig_train_run ig_train_run;

/* Borrows everything; nothing is written yet. */
ig_status ig_train_run_create(ig_cli *cli, const ig_train_values *values,
                              const ig_train_origin *origin, ig_train_data *data,
                              ig_train_run **out);
void ig_train_run_destroy(ig_train_run *run); /* NULL is allowed */
ig_train_observer ig_train_run_observer(ig_train_run *run);
/* Makes the folder and its files, or goes on with those of a resumed run. */
ig_status ig_train_run_begin(ig_train_run *run, ig_trainer *trainer, const ig_graph *graph,
                             ig_backend *backend);
/* Waits for checkpoints on their way. */
ig_status ig_train_run_flush(ig_train_run *run);
/* Waits for checkpoints on their way, writes the report, says how it went. `status` is the trainer's;
 * returns it, or the first failure of what is done here. */
ig_status ig_train_run_end(ig_train_run *run, ig_status status);

#endif
