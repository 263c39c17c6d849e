/* The trainer: a model template, data and options into trained parameters. It reports through an
 * observer and gives snapshots; it writes no file and prints nothing itself. */
#ifndef IG_TRAIN_TRAINER_H
#define IG_TRAIN_TRAINER_H

#include "engine/backend/backend.h"
#include "engine/eval/metrics.h"
#include "engine/passes/pass.h"
#include "engine/plan/plan.h"
#include "engine/backend/comm.h"
#include "engine/train/feeder.h"
#include "engine/train/optimizer.h"
#include "engine/train/schedule.h"
#include "engine/train/task.h"

typedef struct ig_train_options {
  ig_task task;
  ig_optimizer optimizer;
  double lr;
  ig_schedule schedule; /* total is filled in by the trainer */
  int64_t epochs;       /* either epochs or steps is positive; both: whichever ends first */
  int64_t steps;
  int64_t batch;
  int accumulate; /* micro-batches of `batch` samples per optimizer step; at least 1 */
  double label_smoothing;
  double proximal; /* mu of the proximal term towards a round's start (round.h); 0 for none */
  ig_precision precision;
  ig_recompute recompute;
  uint64_t seed;
  int64_t eval_every; /* steps between validations; 0 for once an epoch */
  int64_t eval_limit; /* validation samples at most; 0 for all */
  bool eval_mirror;   /* validation takes the mean of an image's and its mirror image's outputs */
  int64_t checkpoint_every; /* steps between on_checkpoint calls; 0 for once an epoch */
  int patience;       /* validations without improvement before stopping early; 0 for never */
  ig_augment augment;
  int workers;
  size_t memory_limit;
  /* On several ranks `batch` is that of all together. rank and size are filled in by the trainer. */
  ig_parallel parallel;
  /* Logical shards, a power of two: each micro-batch is computed in that many parts, whose gradients are
   * added in one fixed tree, so that any number of ranks that divides it gives the same bits; 0 for one
   * part a rank. */
  int elastic;
} ig_train_options;

/* A round of federated averaging, which is a step of the server's. */
typedef struct ig_train_round {
  int clients, dropped;  /* in the mean; asked and not in it */
  double epsilon, delta; /* what all rounds so far amount to; NaN without noise */
} ig_train_round;

/* How a rank fared since ranks last compared themselves; see ig_train_step. */
typedef struct ig_rank_rate {
  double compute;     /* seconds a step that it did not wait for other ranks */
  double waited;      /* seconds a step that it did */
  double waited_data; /* seconds a step, within `compute`, that it waited for data */
  double samples_per_second; /* of its own samples, as if it were never kept waiting */
} ig_rank_rate;

typedef struct ig_train_step {
  int64_t step, epoch; /* completed steps; epoch as a count from 0 */
  int64_t total_steps, steps_per_epoch;
  double fraction; /* of the epoch done, 0 to 1 */
  double loss, lr, grad_norm;
  double seconds;            /* of training so far, resumed parts included */
  double samples_per_second; /* over the last second or so */
  double waited; /* share of the time spent waiting for data, 0 to 1 */
  int n_ranks;
  const ig_rank_rate *ranks;    /* by rank; NULL for one process and before the first comparison */
  const ig_metrics *validation; /* when this step ended with one; otherwise NULL */
  bool best;                    /* that validation is the best so far */
  const ig_train_round *round;  /* NULL unless the step is one */
} ig_train_step;

/* Called from the training thread; a failure ends training with that status. Any may be NULL. Each of
 * several ranks has its own, which gets the same numbers; on_checkpoint is where all of them call
 * ig_trainer_snapshot, which is collective. */
typedef struct ig_train_observer {
  void *context;
  ig_status (*on_step)(void *context, const ig_train_step *step);
  /* Time to write a checkpoint: take it with ig_trainer_snapshot. `best` after a validation that
   * was the best so far; `last` when training ends or is interrupted. */
  ig_status (*on_checkpoint)(void *context, const ig_train_step *step, bool best, bool last);
  /* Polled after each step: a non-zero signal number ends training after a checkpoint. */
  int (*interrupted)(void *context);
} ig_train_observer;

typedef struct ig_trainer ig_trainer;

/* Borrows graph, backend, data sets and comm (NULL for one process) for its life; `validation` may
 * be NULL. `normalizations` apply to the inputs and are borrowed. */
ig_status ig_trainer_create(const ig_graph *model, ig_backend *backend, ig_comm *comm,
                            ig_dataset *train, ig_dataset *validation, int n_normalizations,
                            const ig_normalization *normalizations,
                            const ig_train_options *options, const ig_train_observer *observer,
                            ig_trainer **out);
void ig_trainer_destroy(ig_trainer *trainer);
/* Continues where the snapshot stands, bit for bit. */
ig_status ig_trainer_resume(ig_trainer *trainer, const ig_snapshot *snapshot);
/* Trains to the end. IG_ERR_INTERRUPTED after a signal; IG_ERR_NUMERIC names step, node and the last
 * good step. On several ranks all take the same steps and decisions: a signal on one stops all after the
 * same step, and a failure on one is IG_ERR_PEER on all, with a line that names rank, host and step. */
ig_status ig_trainer_run(ig_trainer *trainer);
/* Copies tensors and progress into a fresh snapshot; the caller fills in model, data, provenance. On
 * several ranks all call it, and rank 0's is whole: moments of a sharded optimizer are in no other. */
ig_status ig_trainer_snapshot(ig_trainer *trainer, ig_snapshot **out);
/* The parameters and state; what is written there before ig_trainer_run is trained on from. */
ig_store *ig_trainer_store(ig_trainer *trainer);
/* The plan of a full batch, for reports of time and memory by operator; NULL before the first. */
ig_plan *ig_trainer_plan(ig_trainer *trainer);
/* The signal that stopped training, on whichever rank it was seen; 0 for none. */
int ig_trainer_signal(const ig_trainer *trainer);
int64_t ig_trainer_steps_per_epoch(const ig_trainer *trainer);
int64_t ig_trainer_total_steps(const ig_trainer *trainer);

#endif
