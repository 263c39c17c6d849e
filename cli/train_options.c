/* The table behind `ingot train`. Rows follow the order in which people think of them: what, on which
 * data, for how long, how, and what is kept. */
#include "cli/train_rows.h"

#include <string.h>

#include "cli/job.h"

typedef ig_train_values V;
#define OWN IG_OWN_VALUE

const ig_option ig_train_options_table[] = {
    IG_STRING_OPTION(V, model, "model", "M", IG_OPTION_REQUIRED,
                     "a preset such as mlp:256,128, an ONNX file, or a checkpoint or run's folder to "
                     "train on from"),
    IG_STRING_OPTION(V, data, "data", "D", IG_OPTION_REQUIRED, "training data"),
    IG_STRING_OPTION(V, val, "val", "D", 0, "validation data; without it a part is held out"),
    IG_STRING_OPTION(V, out, "out", "RUN", IG_OPTION_REQUIRED | IG_OPTION_TRANSIENT,
                     "folder for checkpoints, metrics and the report"),
    {.name = "resume",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(V, resume),
     .flags = IG_OPTION_TRANSIENT,
     .what = "go on from RUN/latest.h5, with RUN/config.yaml's settings; starts anew without one"},
    {.name = "overwrite",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(V, overwrite),
     .flags = IG_OPTION_TRANSIENT,
     .what = "start anew although RUN holds an earlier run"},
    IG_STRING_OPTION(V, init, "init", "FILE", 0,
                     "checkpoint, folder, .safetensors or Keras .h5 whose parameters a preset starts from"),
    {.name = "freeze",
     .type = IG_OPTION_STRING,
     .offset = offsetof(V, freeze),
     .values = "PATTERNS",
     .what = "parameters that stay as they are, by names with * and ?, separated by commas"},
    {.name = "lr-scale",
     .type = IG_OPTION_STRING,
     .offset = offsetof(V, lr_scale),
     .values = "PATTERN=F,...",
     .what = "learning rates of such parameters as multiples of the others'"},
    IG_INT_OPTION(V, classes, "classes", "0", 0, 1 << 24,
                  "give an ONNX file's last layer that many fresh outputs, 0 to keep it"),
    IG_ENUM_OPTION(V, task, "task", "auto", "auto|classification|regression|multilabel|language",
                   "what to learn"),

    IG_TRAIN_DATA_ROWS,
    IG_FLAG_OPTION(V, whiten, "whiten",
                   "the first convolution whitens image patches, as the training data have them, and "
                   "stays so"),
    IG_TRAIN_AUGMENT_ROWS,

    IG_INT_OPTION(V, epochs, "epochs", OWN, 1, INT64_MAX,
                  "passes over the data [10 without --steps]"),
    IG_INT_OPTION(V, steps, "steps", OWN, 1, INT64_MAX, "optimizer steps"),
    IG_INT_OPTION(V, batch, "batch", "64", 1, 1 << 24, "samples of a batch"),
    IG_INT_OPTION(V, accumulate, "accumulate", "1", 1, 1 << 20, "batches of an optimizer step"),
    IG_INT_OPTION(V, patience, "patience", "0", 0, 1 << 30,
                  "stop after N validations without a better one, 0 for never"),

    IG_ENUM_OPTION(V, optimizer, "optimizer", "adamw", "sgd|adam|adamw|lamb|lion", "update rule"),
    IG_FLOAT_OPTION(V, lr, "lr", OWN, 0, 1e6, "learning rate [usual for the optimizer]"),
    IG_ENUM_OPTION(V, schedule, "schedule", "cosine", "constant|step|cosine|one-cycle|linear",
                   "learning rate over time"),
    IG_TRAIN_OPTIMIZER_ROWS,
    IG_FLOAT_OPTION(V, ema, "ema", "0", 0, 0.999999999, "decay of averaged parameters, 0 for none"),
    IG_TRAIN_COMPUTE_ROWS,
    IG_ENUM_OPTION(V, quantize, "quantize", "none", "none|int8",
                   "train a checkpoint or an ONNX file with numbers rounded as `ingot quantize` will; scales "
                   "are learned"),
    IG_FLAG_OPTION(V, stochastic_rounding, "stochastic-rounding",
                   "bf16 and f16: round the parameters' 16-bit copies up or down by chance, right on "
                   "average"),

    IG_INT_OPTION(V, eval_every, "eval-every", "0", 0, INT64_MAX,
                  "steps between validations, 0 for once an epoch"),
    IG_INT_OPTION(V, eval_limit, "eval-limit", "0", 0, INT64_MAX,
                  "validation samples at most, 0 for all"),
    IG_FLAG_OPTION(V, eval_mirror, "eval-mirror",
                   "validate with the mean of an image's and its mirror image's outputs"),
    IG_INT_OPTION(V, checkpoint_every, "checkpoint-every", "0", 0, INT64_MAX,
                  "steps between checkpoints, 0 for once an epoch"),
    IG_INT_OPTION(V, keep, "keep", "2", 1, 1 << 20, "checkpoints to keep besides the best"),
    IG_SIZE_OPTION(V, memory_limit, "memory-limit", "0", "most memory of a step's plan, 0 for any"),

    IG_PARALLEL_ROWS(V, parallel),
    {.name = "rank-rates",
     .type = IG_OPTION_FLAG,
     .offset = offsetof(V, rank_rates),
     .flags = IG_OPTION_TRANSIENT,
     .what = "print each rank's samples a second"},
    {.name = NULL}};

static double usual_lr(ig_optimizer_kind kind) {
  switch (kind) {
  case IG_OPT_SGD: return 0.05;
  case IG_OPT_LAMB: return 2e-3;
  case IG_OPT_LION: return 1e-4;
  default: return 1e-3;
  }
}

static void given(const ig_cli *cli, const char *name, double value, double *slot) {
  if (ig_options_origin(cli->options, name) != IG_FROM_DEFAULT) *slot = value;
}

static ig_status make_optimizer(const ig_cli *cli, const V *v, ig_train_options *out) {
  ig_optimizer_kind kind;
  IG_TRY(ig_optimizer_parse(v->optimizer, &kind));
  ig_optimizer optimizer = ig_optimizer_default(kind);
  given(cli, "momentum", v->momentum, &optimizer.momentum);
  given(cli, "beta1", v->beta1, &optimizer.beta1);
  given(cli, "beta2", v->beta2, &optimizer.beta2);
  given(cli, "epsilon", v->epsilon, &optimizer.epsilon);
  given(cli, "weight-decay", v->weight_decay, &optimizer.weight_decay);
  optimizer.nesterov = optimizer.nesterov || v->nesterov;
  optimizer.clip_norm = v->clip;
  optimizer.ema = v->ema;
  optimizer.stochastic_rounding = v->stochastic_rounding;
  optimizer.bias_lr = v->bias_lr;
  out->optimizer = optimizer;
  out->lr = usual_lr(kind);
  given(cli, "lr", v->lr, &out->lr);
  return IG_OK;
}

ig_status ig_train_options_make(const ig_cli *cli, const V *v, ig_train_options *out) {
  *out = (ig_train_options){
      .epochs = v->epochs > 0 || v->steps > 0 ? v->epochs : 10,
      .steps = v->steps,
      .batch = v->batch,
      .accumulate = (int)v->accumulate,
      .label_smoothing = v->label_smoothing,
      .precision = ig_precision_parse(v->precision),
      .recompute = ig_recompute_parse(v->recompute),
      .seed = (uint64_t)cli->common->seed,
      .eval_every = v->eval_every,
      .eval_limit = v->eval_limit,
      .eval_mirror = v->eval_mirror,
      .checkpoint_every = v->checkpoint_every,
      .patience = (int)v->patience,
      .augment = {.flip = v->flip,
                  .crop_padding = (int)v->crop,
                  .reflect = strcmp(v->crop_border, "reflect") == 0,
                  .cutout = (int)v->cutout},
      .workers = ig_job_workers(cli, v->workers),
      .memory_limit = v->memory_limit,
  };
  ig_parallel_options_make(&v->parallel, out);
  out->schedule = (ig_schedule){
      .warmup = v->warmup, .floor = v->lr_floor, .gamma = v->decay, .every = v->decay_every};
  IG_TRY(ig_schedule_parse(v->schedule, &out->schedule.kind));
  return make_optimizer(cli, v, out);
}
