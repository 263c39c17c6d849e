/* One pass of a model over a data set, through the feeder and cached plans. The evaluator holds no
 * parameters of its own: it reads the store as it stands, so training and validation can share it. */
#include "engine/eval/evaluator.h"

#include "engine/base/memory.h"
#include "engine/eval/latency.h"
#include "engine/train/match.h"

#define WARM_UP_RUNS 3
#define LEAST_RUNS 10
#define MOST_RUNS 100000

struct ig_evaluator {
  ig_dataset *dataset;
  ig_eval_options options;
  ig_match match;
  ig_plan_cache *plans;
  ig_pass_options passes;
  ig_metrics_accumulator *metrics; /* made at the first batch, when the width is known */
  int64_t width;                   /* of a row of logits */
  /* With `mirror`: one batch of mirrored images, and the mean of the logits. Heap. */
  float *mirrored, *mean;
  int64_t mirrored_capacity, mean_capacity;
};

static ig_status prepare(ig_graph *graph, void *context) {
  const ig_evaluator *evaluator = context;
  return ig_passes_run(graph, ig_pipeline_inference, &evaluator->passes);
}

ig_status ig_evaluator_create(const ig_graph *model, ig_backend *backend, ig_store *store,
                              ig_dataset *dataset, const ig_eval_options *options,
                              ig_evaluator **out) {
  IG_CHECK(options->batch >= 1, IG_ERR_USAGE, "evaluation: a batch of %lld samples",
           (long long)options->batch);
  IG_CHECK(model->n_outputs >= 1, IG_ERR_SHAPE, "evaluation: the model has no output");
  ig_evaluator *e = ig_alloc_zero(1, sizeof *e);
  IG_CHECK_ALLOC(e);
  e->dataset = dataset;
  e->options = *options;
  e->passes = (ig_pass_options){.device = backend->vtable->device,
                                .compute = ig_precision_dtype(options->precision)};
  int64_t samples = dataset->n_samples;
  if (options->limit > 0) samples = IG_MIN(samples, options->limit);
  bool one_size = samples < options->batch || samples % options->batch == 0;
  ig_plan_options plan = {.seed = options->seed,
                          .release_params = options->frozen && options->release && one_size,
                          .frozen_params = options->frozen,
                          .tf32 = options->precision == IG_PRECISION_TF32,
                          .memory_limit = options->memory_limit,
                          .fixed_sums = options->fixed_sums};
  ig_status status = ig_match_fields(model, dataset, &e->match);
  if (status == IG_OK) {
    status = ig_plan_cache_create(model, backend, store, &plan, prepare, e, &e->plans);
  }
  if (status != IG_OK) {
    ig_evaluator_destroy(e);
    return status;
  }
  *out = e;
  return IG_OK;
}

void ig_evaluator_destroy(ig_evaluator *e) {
  if (!e) return;
  if (e->plans) ig_plan_cache_destroy(e->plans);
  ig_metrics_destroy(e->metrics);
  ig_free(e->mirrored);
  ig_free(e->mean);
  ig_free(e);
}

/* From sample `start` on. */
static ig_status open_feeder(ig_evaluator *e, int64_t batch, int64_t start, ig_feeder **out) {
  ig_feeder_options options = {.batch = batch,
                               .seed = e->options.seed,
                               .once = true,
                               .start = start,
                               .workers = IG_MAX(1, e->options.workers),
                               .depth = 2,
                               .n_normalizations = e->options.n_normalizations,
                               .normalizations = e->options.normalizations};
  return ig_feeder_create(e->dataset, &options, out);
}

/* The plan for `count` samples of the batch, its inputs bound. */
static ig_status bind(ig_evaluator *e, const ig_batch *batch, int64_t count, ig_plan **out) {
  ig_shape shapes[IG_MAX_FIELDS];
  for (int i = 0; i < e->match.n_inputs; i++) {
    shapes[i] = ig_match_shape(&e->match, e->dataset, i, count);
  }
  IG_TRY(ig_plan_cache_get(e->plans, shapes, out));
  for (int i = 0; i < e->match.n_inputs; i++) {
    IG_TRY(ig_plan_bind_input(*out, i, batch->fields[e->match.inputs[i]]));
  }
  return IG_OK;
}

/* Rows of logits and of targets must pair up before a pointer is walked over both. */
static ig_status check_target(const ig_evaluator *e, const ig_value *logits, int64_t count,
                              int64_t *rows, int64_t *width) {
  const ig_field *target = &e->dataset->fields[e->match.target];
  int64_t per_sample = ig_shape_count(&target->shape);
  bool indexed = e->options.task == IG_TASK_CLASSIFICATION || e->options.task == IG_TASK_LANGUAGE;
  ig_dtype want = indexed ? IG_I64 : IG_F32;
  IG_CHECK(logits->dtype == IG_F32, IG_ERR_SHAPE, "the model's output '%s' is %s, expected f32",
           logits->name, ig_dtype_name(logits->dtype));
  IG_CHECK(ig_feeder_dtype(e->dataset, e->match.target) == want, IG_ERR_SHAPE,
           "%s: target '%s' does not suit %s: expected %s", e->dataset->path, target->name,
           ig_task_name(e->options.task), indexed ? "class or token indices" : "numbers");
  int64_t elements = ig_value_count(logits);
  *rows = indexed ? count * per_sample : count;
  *width = logits->shape.rank > 0 ? logits->shape.dims[logits->shape.rank - 1] : 1;
  bool fits = *rows > 0 && *width > 0 && elements / *width == *rows && elements % *width == 0 &&
              (indexed || per_sample == *width);
  IG_CHECK(fits, IG_ERR_SHAPE,
           "%s: target '%s' has samples of shape %s, but the model's output '%s' for %lld samples "
           "has shape %s",
           e->dataset->path, target->name, IG_SHAPE_STR(&target->shape), logits->name,
           (long long)count, IG_SHAPE_STR(&logits->shape));
  return IG_OK;
}

static bool measured(const ig_evaluator *e) {
  return e->match.target >= 0 && !e->options.no_metrics;
}

static ig_status make_metrics(ig_evaluator *e, int64_t width) {
  IG_TRY(ig_metrics_create(e->options.task, width, e->options.detailed, &e->metrics));
  e->width = width;
  if (ig_comm_size(e->options.comm) > 1) ig_metrics_defer(e->metrics);
  return IG_OK;
}

/* Input 0 of the batch, left and right exchanged. */
static ig_status mirror_images(ig_evaluator *e, const ig_batch *batch, int64_t count) {
  const ig_field *field = &e->dataset->fields[e->match.inputs[0]];
  IG_CHECK(field->kind == IG_FIELD_IMAGE, IG_ERR_USAGE,
           "%s: field '%s' holds no images that could be mirrored", e->dataset->path, field->name);
  int64_t width = field->shape.dims[2], rows = count * ig_shape_count(&field->shape) / width;
  IG_CHECK(ig_grow((void **)&e->mirrored, &e->mirrored_capacity, rows * width,
                   sizeof *e->mirrored),
           IG_ERR_MEMORY, "evaluation: no memory for mirrored images");
  const float *from = batch->fields[e->match.inputs[0]];
  for (int64_t r = 0; r < rows; r++, from += width) {
    for (int64_t i = 0; i < width; i++) e->mirrored[r * width + i] = from[width - 1 - i];
  }
  return IG_OK;
}

/* The plan has run on the batch; *logits is what the metrics are of. */
static ig_status logits_of(ig_evaluator *e, const ig_batch *batch, ig_plan *plan, int64_t count,
                           const float **logits) {
  *logits = ig_plan_output(plan, 0);
  if (!e->options.mirror) return IG_OK;
  int64_t n = ig_value_count(ig_plan_graph(plan)->outputs[0]);
  IG_CHECK(ig_grow((void **)&e->mean, &e->mean_capacity, n, sizeof *e->mean), IG_ERR_MEMORY,
           "evaluation: no memory for logits");
  for (int64_t i = 0; i < n; i++) e->mean[i] = 0.5f * (*logits)[i];
  IG_TRY(mirror_images(e, batch, count));
  IG_TRY(ig_plan_bind_input(plan, 0, e->mirrored));
  IG_TRY(ig_plan_run(plan, &(ig_rng_state){.seed = e->options.seed}));
  *logits = ig_plan_output(plan, 0);
  for (int64_t i = 0; i < n; i++) e->mean[i] += 0.5f * (*logits)[i];
  *logits = e->mean;
  return IG_OK;
}

static ig_status add_metrics(ig_evaluator *e, const ig_batch *batch, ig_plan *plan,
                             int64_t count) {
  int64_t rows = 0, width = 0;
  IG_TRY(check_target(e, ig_plan_graph(plan)->outputs[0], count, &rows, &width));
  if (!e->metrics) {
    IG_TRY(make_metrics(e, width));
  }
  IG_CHECK(width == e->width, IG_ERR_SHAPE, "the model's output is %lld wide, before %lld",
           (long long)width, (long long)e->width);
  const float *logits;
  IG_TRY(logits_of(e, batch, plan, count, &logits));
  ig_status status = ig_metrics_add(e->metrics, logits, batch->fields[e->match.target], rows);
  if (status == IG_OK) return IG_OK;
  return ig_fail_in(status, "%s: batch from sample %lld", e->dataset->path,
                    (long long)batch->indices[0]);
}

/* Samples [first, last) are this rank's: whole batches, the same that one process would form. */
static void find_share(const ig_evaluator *e, int64_t *first, int64_t *last) {
  int64_t samples = e->dataset->n_samples, batch = e->options.batch;
  if (e->options.limit > 0) samples = IG_MIN(samples, e->options.limit);
  int64_t batches = samples / batch + (samples % batch != 0);
  int rank = ig_comm_rank(e->options.comm), size = ig_comm_size(e->options.comm);
  *first = batches * rank / size * batch;
  *last = IG_MIN(batches * (rank + 1) / size * batch, samples);
}

static ig_status run_share(ig_evaluator *e, ig_feeder *feeder, int64_t first, int64_t last,
                           ig_eval_sink sink, void *context) {
  while (first < last) {
    const ig_batch *batch;
    IG_TRY(ig_feeder_next(feeder, &batch));
    if (!batch) return IG_OK;
    ig_batch part = *batch;
    part.count = IG_MIN(batch->count, last - first);
    ig_plan *plan;
    IG_TRY(bind(e, &part, part.count, &plan));
    IG_TRY(ig_plan_run(plan, &(ig_rng_state){.seed = e->options.seed}));
    if (sink) IG_TRY(sink(context, &part, plan));
    if (measured(e)) IG_TRY(add_metrics(e, &part, plan, part.count));
    first += part.count;
  }
  return IG_OK;
}

static ig_status run_own(ig_evaluator *e, ig_eval_sink sink, void *context) {
  ig_feeder *feeder;
  int64_t first, last;
  find_share(e, &first, &last);
  if (first >= last && ig_comm_size(e->options.comm) > 1) return IG_OK;
  IG_TRY(open_feeder(e, e->options.batch, first, &feeder));
  ig_status status = run_share(e, feeder, first, last, sink, context);
  ig_feeder_destroy(feeder);
  return status;
}

/* A rank without a batch learns the width from the others. */
static ig_status merge(ig_evaluator *e) {
  ig_comm *comm = e->options.comm;
  int64_t *widths = ig_alloc((size_t)comm->size * sizeof *widths), width = 1;
  ig_status status = widths ? IG_OK : ig_fail(IG_ERR_MEMORY, "evaluation: out of memory");
  status = ig_comm_settle(comm, status);
  if (status == IG_OK) status = ig_comm_exchange(comm, &e->width, sizeof e->width, widths);
  for (int r = 0; r < comm->size && status == IG_OK; r++) width = IG_MAX(width, widths[r]);
  ig_free(widths);
  IG_TRY(status);
  if (!e->metrics) status = make_metrics(e, width);
  IG_TRY(ig_comm_settle(comm, status));
  return ig_metrics_merge(e->metrics, comm);
}

ig_status ig_evaluator_run(ig_evaluator *e, ig_eval_sink sink, void *context, ig_metrics *out) {
  if (e->metrics) ig_metrics_reset(e->metrics);
  IG_TRY(ig_comm_settle(e->options.comm, run_own(e, sink, context)));
  if (measured(e) && ig_comm_size(e->options.comm) > 1) IG_TRY(merge(e));
  if (!out) return IG_OK;
  if (!e->metrics) IG_TRY(make_metrics(e, 1));
  return ig_metrics_get(e->metrics, out);
}

/* The first batch of `batch` samples, bound to its plan; the feeder keeps the data alive. */
static ig_status bind_first(ig_evaluator *e, int64_t batch, ig_feeder **feeder, ig_plan **plan,
                            int64_t *count) {
  IG_TRY(open_feeder(e, batch, 0, feeder));
  const ig_batch *first = NULL;
  ig_status status = ig_feeder_next(*feeder, &first);
  if (status == IG_OK && (!first || first->count < 1)) {
    status = ig_fail(IG_ERR_INPUT, "%s: no samples to time", e->dataset->path);
  }
  if (status == IG_OK) status = bind(e, first, first->count, plan);
  if (status != IG_OK) {
    ig_feeder_destroy(*feeder);
    return status;
  }
  *count = first->count;
  return IG_OK;
}

/* Runs that count: `most`, or as many as fit into `seconds`, but at least `least`. */
static ig_status time_runs(ig_plan *plan, uint64_t seed, int64_t warmup, double seconds,
                           int64_t least, int64_t most, double *times, int64_t *runs) {
  const ig_rng_state rng = {.seed = seed};
  for (int64_t i = 0; i < warmup; i++) IG_TRY(ig_plan_run(plan, &rng));
  double start = ig_now(), last = start;
  int64_t n = 0;
  while (n < most && (n < least || last - start < seconds)) {
    IG_TRY(ig_plan_run(plan, &rng));
    double now = ig_now();
    times[n++] = now - last;
    last = now;
  }
  *runs = n;
  return IG_OK;
}

ig_status ig_evaluator_times(ig_evaluator *e, int64_t batch, int64_t warmup, int64_t runs,
                             double *seconds) {
  ig_feeder *feeder;
  ig_plan *plan;
  int64_t count, timed;
  IG_TRY(bind_first(e, batch, &feeder, &plan, &count));
  ig_status status = time_runs(plan, e->options.seed, warmup, 0, runs, runs, seconds, &timed);
  ig_feeder_destroy(feeder);
  return status;
}

static void summarise(double *times, int64_t runs, int64_t batch, ig_latency *out) {
  double sum = 0;
  for (int64_t i = 0; i < runs; i++) sum += times[i];
  ig_sort_times(times, runs);
  *out = (ig_latency){.batch = batch,
                      .runs = runs,
                      .p50 = ig_percentile(times, runs, 50),
                      .p95 = ig_percentile(times, runs, 95),
                      .p99 = ig_percentile(times, runs, 99),
                      .mean = sum / (double)runs,
                      .samples_per_second = (double)(batch * runs) / sum};
}

ig_status ig_evaluator_latency(ig_evaluator *e, int64_t batch, double seconds, ig_latency *out) {
  ig_feeder *feeder;
  ig_plan *plan;
  int64_t count, runs = 0;
  double *times = ig_alloc(MOST_RUNS * sizeof *times);
  IG_CHECK_ALLOC(times);
  ig_status status = bind_first(e, batch, &feeder, &plan, &count);
  if (status == IG_OK) {
    status = time_runs(plan, e->options.seed, WARM_UP_RUNS, seconds, LEAST_RUNS, MOST_RUNS, times,
                       &runs);
    ig_feeder_destroy(feeder);
  }
  if (status == IG_OK) summarise(times, runs, count, out);
  ig_free(times);
  return status;
}
