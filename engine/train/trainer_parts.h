/* The inside of a trainer, for the files that make and drive it (trainer.c), run its steps
 * (trainer_step.c), keep its ranks together (trainer_ranks.c), and explain what went wrong
 * (trainer_memory.c, trainer_finite.c). */
#ifndef IG_TRAIN_TRAINER_PARTS_H
#define IG_TRAIN_TRAINER_PARTS_H

#include "engine/eval/evaluator.h"
#include "engine/train/match.h"
#include "engine/train/shards.h"
#include "engine/train/step.h"
#include "engine/train/trainer.h"

/* Plans of one step kind, by batch size. */
typedef struct ig_step_plans {
  ig_trainer *trainer;
  ig_step_kind kind;
  bool alone; /* as one process would run it, without a word to other ranks */
  ig_plan_cache *cache;
} ig_step_plans;

/* A step as its results tell. */
typedef struct ig_step_result {
  ig_progress before, progress; /* the step starts and ends there */
  double loss, norm, lr;
  double loss_scale; /* of f16; otherwise 0 */
  int64_t samples;   /* of all ranks */
} ig_step_result;

/* A micro-batch, or this rank's part of one, that was submitted. */
typedef struct ig_micro {
  ig_plan *plan; /* NULL for none */
  ig_step_kind kind;
  bool begins_step;
  double lr; /* of the step */
  int64_t samples;
  ig_progress before, progress; /* of the step */
} ig_micro;

/* How ranks keep together. */
typedef struct ig_ranks {
  ig_rank_rate *rates; /* by rank, of the last agreement */
  void *reports;       /* room for one */
  int64_t next;        /* the step after which the next agreement is */
  /* Since the last one: steps, this rank's samples, seconds of training. */
  int64_t steps;
  double samples, busy;
  double waited, waited_data; /* at the last one, in all: for others, and for data */
  double exchanged;           /* seconds in exchanges since the last step, which are no training */
  bool known;                 /* rates have been measured */
} ig_ranks;

struct ig_trainer {
  const ig_graph *model;
  ig_backend *backend;
  ig_comm *comm; /* NULL for one process */
  ig_ranks ranks;
  ig_dataset *data, *validation;
  ig_match match; /* fields of `data` by model input */
  ig_train_options options;
  ig_train_observer observer;
  int n_normalizations;
  const ig_normalization *normalizations;
  ig_store *store;
  ig_shards *shards; /* of a sharded optimizer, once there is a plan that updates */
  ig_step_plans plans[IG_STEP_KINDS];
  int first_part, n_parts; /* of each batch, this rank's */
  int64_t full_count;      /* samples of the last of them in a full batch */
  ig_plan *full_plan;      /* of that; borrowed from the cache */
  ig_feeder *feeder;
  ig_evaluator *evaluator;
  ig_store *ema_store; /* averaged parameters under their plain names, for validation */
  int64_t steps_per_epoch, total_steps;
  ig_progress progress;
  float lr, step_number, weight; /* bound as inputs */
  int signal_number;             /* that stops all ranks */
  ig_micro pending;              /* submitted, its results not yet read */
  ig_step_result result;         /* of the step whose micro-batches are being read */
  int64_t round_start;           /* the step from which the optimizer counts (round.h) */
  double started;                /* of this part of the run */
  double rate;                   /* samples per second, smoothed */
};

/* The plan for batches of `count` samples. */
ig_status ig_trainer_plan_for(ig_trainer *t, int64_t count, ig_step_kind kind, ig_plan **out);
/* IG_ERR_MEMORY with the thread's last error, and which batch or recomputation would fit. */
ig_status ig_trainer_explain_memory(ig_trainer *t, ig_step_kind kind, int64_t count);
/* Makes the graph that a step of that kind runs; `context` is its ig_step_plans. */
ig_status ig_trainer_prepare_step(ig_graph *graph, void *context);
ig_status ig_trainer_submit(ig_trainer *t, const ig_batch *batch, ig_step_kind kind, ig_plan **out);
/* Submits the step at t->progress, which moves on. While that happens the results of the step before,
 * where they were left, are read: *ended, and t->result has them. */
ig_status ig_trainer_submit_step(ig_trainer *t, bool *ended);
/* Waits for the submitted step: t->result is its. */
ig_status ig_trainer_settle(ig_trainer *t);
/* IG_ERR_NUMERIC, which names step and node, unless loss and gradient norm of t->result are finite; on
 * several ranks IG_ERR_PEER on all of them, with the same line, which names rank and host too. */
ig_status ig_trainer_check_result(ig_trainer *t);

/* Room for what ranks tell each other; nothing for one process. */
ig_status ig_trainer_ranks_create(ig_trainer *t);
void ig_trainer_ranks_destroy(ig_trainer *t);
/* Sets t->signal_number, which stops all ranks after the step at t->progress. Ranks ask each other a few
 * times a second, after the same step, and then learn each other's pace too. */
ig_status ig_trainer_agree(ig_trainer *t);
/* A step took that many seconds. */
void ig_trainer_ranks_took(ig_trainer *t, double seconds);
/* Of how training ended on this rank: a failure is told the others, and becomes IG_ERR_PEER with the
 * line that they get. */
ig_status ig_trainer_leave(ig_trainer *t, ig_status status);

#endif
