/* The options of `ingot train`, and what the engine makes of them. */
#ifndef IG_CLI_TRAIN_OPTIONS_H
#define IG_CLI_TRAIN_OPTIONS_H

#include "cli/parallel_options.h"
#include "cli/verb.h"
#include "engine/train/trainer.h"

typedef struct ig_train_values {
  /* what */
  const char *model, *data, *val, *out, *init, *task;
  const char *freeze, *lr_scale;
  int64_t classes;
  bool resume, overwrite;
  /* data */
  const char *target, *tokenizer;
  double holdout;
  int64_t context, vocabulary, workers;
  bool flip, normalize, whiten;
  const char *crop_border;
  int64_t crop, cutout;
  /* how long */
  int64_t epochs, steps, batch, accumulate, patience;
  /* optimizer */
  const char *optimizer, *schedule, *precision, *recompute, *quantize;
  double lr, momentum, beta1, beta2, epsilon, weight_decay, clip, ema, bias_lr;
  bool nesterov, stochastic_rounding;
  int64_t warmup, decay_every;
  double lr_floor, decay, label_smoothing;
  /* when */
  int64_t eval_every, eval_limit, checkpoint_every, keep;
  bool eval_mirror;
  size_t memory_limit;
  /* on several ranks */
  ig_parallel_values parallel;
  bool rank_rates;
} ig_train_values;

extern const ig_option ig_train_options_table[];

/* All but the task. Options that nobody gave take the optimizer's usual values. */
ig_status ig_train_options_make(const ig_cli *cli, const ig_train_values *values,
                                ig_train_options *out);

#endif
