/* RUN/metrics.jsonl: a line of JSON a logged step. */
#ifndef IG_CLI_METRICS_LOG_H
#define IG_CLI_METRICS_LOG_H

#include "engine/train/trainer.h"

typedef struct ig_metrics_log ig_metrics_log;

/* Goes on with the lines of the first `step` steps that are there; later ones, of a run that was
 * killed past its last checkpoint, are dropped. */
ig_status ig_metrics_log_open(const char *path, int64_t step, ig_metrics_log **out);
/* {"step", "epoch", "time", "loss", "lr", "grad_norm", "samples_per_second", "waiting"}; of federated
 * averaging also round, clients, dropped, and with noise epsilon and delta; and, when measured,
 * val_loss, val_accuracy and whatever else applies. */
ig_status ig_metrics_log_step(ig_metrics_log *log, const ig_train_step *step);
ig_status ig_metrics_log_flush(ig_metrics_log *log);
void ig_metrics_log_close(ig_metrics_log *log); /* NULL is allowed */

#endif
