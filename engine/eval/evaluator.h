/* Runs a model over a data set: metrics, predictions, latency. */
#ifndef IG_EVAL_EVALUATOR_H
#define IG_EVAL_EVALUATOR_H

#include "engine/eval/metrics.h"
#include "engine/passes/pass.h"
#include "engine/plan/plan.h"
#include "engine/train/feeder.h"

typedef struct ig_eval_options {
  ig_task task;
  int64_t batch;
  int64_t limit; /* samples at most; 0 for all */
  bool detailed;
  bool no_metrics; /* targets, where there are any, are not looked at */
  bool
      frozen; /* the store does not change between runs: weights are packed once (ig_plan_options) */
  bool mirror; /* metrics of the mean of the outputs for each image and for its mirror image; a sink
                  sees those of the image alone */
  bool release; /* with frozen: the store is this evaluator's alone, and may give up parameters that
                   are packed where all batches are of one size */
  int workers;
  int n_normalizations;
  const ig_normalization *normalizations;
  ig_precision precision;
  uint64_t seed;
  size_t memory_limit; /* bytes of a plan; 0 for no limit */
  /* Ranks that each take a contiguous share of the batches; NULL for one process. All call
   * ig_evaluator_run together, and get the metrics, to the bit, of one process. */
  ig_comm *comm;
  bool fixed_sums; /* the same bits on any number of threads */
} ig_eval_options;

/* Called for each batch of this rank, in the order of the data set, with the first `batch->count` rows of the
 * plan's outputs (ig_plan_output; output 0 holds the logits, f32); may be NULL. */
typedef ig_status (*ig_eval_sink)(void *context, const ig_batch *batch, const ig_plan *plan);

typedef struct ig_evaluator ig_evaluator;

/* Borrows everything; `model` is a template. Plans are cached by batch size, so a kept evaluator
 * compiles once. Data without a target gives outputs to the sink and no metrics. */
ig_status ig_evaluator_create(const ig_graph *model, ig_backend *backend, ig_store *store,
                              ig_dataset *dataset, const ig_eval_options *options,
                              ig_evaluator **out);
void ig_evaluator_destroy(ig_evaluator *evaluator);
/* One pass over the data; a failure on one rank is all ranks'. The metrics' pointers are valid until the next run. */
ig_status ig_evaluator_run(ig_evaluator *evaluator, ig_eval_sink sink, void *context,
                           ig_metrics *out);

typedef struct ig_latency {
  int64_t batch, runs;
  double p50, p95, p99, mean; /* seconds a batch */
  double samples_per_second;
} ig_latency;

/* Times the plan of `batch` samples (or all, when the data set has fewer) over the first batch of the
 * data set: warm-up, then for `seconds` and at least 10 runs. Percentiles are by nearest rank. */
ig_status ig_evaluator_latency(ig_evaluator *evaluator, int64_t batch, double seconds,
                               ig_latency *out);

/* Seconds of each of `runs` runs of that plan after `warmup` that do not count. */
ig_status ig_evaluator_times(ig_evaluator *evaluator, int64_t batch, int64_t warmup, int64_t runs,
                             double *seconds);

#endif
