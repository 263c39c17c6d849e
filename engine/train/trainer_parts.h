/* The inside of a trainer, for the files that make and drive it (trainer.c) and run its steps
 * (trainer_step.c). */
#ifndef IG_TRAIN_TRAINER_PARTS_H
#define IG_TRAIN_TRAINER_PARTS_H

#include "engine/eval/evaluator.h"
#include "engine/train/match.h"
#include "engine/train/step.h"
#include "engine/train/trainer.h"

#define IG_STEP_KINDS 3

/* Plans of one step kind, by batch size. */
typedef struct ig_step_plans {
  ig_trainer *trainer;
  ig_step_kind kind;
  ig_plan_cache *cache;
} ig_step_plans;

/* A step as its results tell. */
typedef struct ig_step_result {
  ig_progress progress; /* after the step */
  double loss, norm, lr;
  double loss_scale; /* of f16; otherwise 0 */
  int64_t samples;
  /* The micro-batch whose loss was first not finite, or the last one. */
  int64_t epoch, epoch_samples;
  ig_step_kind kind;
} ig_step_result;

/* A micro-batch that was submitted. */
typedef struct ig_micro {
  ig_plan *plan; /* NULL for none */
  ig_step_kind kind;
  bool begins_step;
  double share, lr;             /* of the step's samples; learning rate of the step */
  int64_t samples;
  int64_t epoch, epoch_samples; /* where it starts */
  ig_progress progress;         /* after the step, where this is its last */
} ig_micro;

struct ig_trainer {
  const ig_graph *model;
  ig_backend *backend;
  ig_dataset *data, *validation;
  ig_match match; /* fields of `data` by model input */
  ig_train_options options;
  ig_train_observer observer;
  int n_normalizations;
  const ig_normalization *normalizations;
  ig_store *store;
  ig_step_plans plans[IG_STEP_KINDS];
  ig_plan *full_plan; /* of a full batch; borrowed from the cache */
  ig_feeder *feeder;
  ig_evaluator *evaluator;
  ig_store *ema_store; /* averaged parameters under their plain names, for validation */
  int64_t steps_per_epoch, total_steps;
  ig_progress progress;
  float lr, step_number, weight; /* bound as inputs */
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
/* Submits the step at t->progress, which moves on. While that happens the results of the step before,
 * where they were left, are read: *ended, and t->result has them. */
ig_status ig_trainer_submit_step(ig_trainer *t, bool *ended);
/* Waits for the submitted step: t->result is its. */
ig_status ig_trainer_settle(ig_trainer *t);
/* IG_ERR_NUMERIC, which names step and node, unless loss and gradient norm of t->result are finite. */
ig_status ig_trainer_check_result(ig_trainer *t);

#endif
