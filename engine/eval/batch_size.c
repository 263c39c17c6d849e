/* The search for a batch size: planned memory from plans that are laid out and not made, time from plans that
 * are, on one thread as a lane has it. */
#include "engine/eval/batch_size.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "engine/eval/latency.h"

#define FEW_ROWS 4096
#define USUAL_BATCH 64
#define FIRST_BATCH 32
#define MOST_BATCH 1024
#define LEAST_BATCH 8
#define MEMORY_SHARE 4  /* a fourth of what is free */
#define TIME_SHARE 0.03 /* of the whole run */
#define MOST_SECONDS 5.0
#define LEAST_SECONDS 0.1
#define BETTER 1.03

typedef struct search {
  const ig_graph *model;
  ig_backend *backend;
  ig_store *store;
  const ig_dataset *data;
  const ig_batch_size_options *options;
  ig_match match;
  ig_pass_options passes;
  size_t limit;
} search;

static ig_status prepare(ig_graph *graph, void *context) {
  const search *s = context;
  return ig_passes_run(graph, ig_pipeline_inference, &s->passes);
}

/* The plan for `batch` rows; the caller destroys the cache. */
static ig_status make_plan(search *s, int64_t batch, bool measure, ig_plan_cache **cache,
                           ig_plan **plan) {
  ig_plan_options options = {.seed = s->options->seed,
                             .frozen_params = true,
                             .measure = measure,
                             .tf32 = s->options->precision == IG_PRECISION_TF32};
  ig_shape shapes[IG_MAX_FIELDS];
  for (int i = 0; i < s->match.n_inputs; i++) {
    shapes[i] = ig_match_shape(&s->match, s->data, i, batch);
  }
  IG_TRY(ig_plan_cache_create(s->model, s->backend, s->store, &options, prepare, s, cache));
  return ig_plan_cache_get(*cache, shapes, plan);
}

/* --- memory ------------------------------------------------------------------------------------ */

static void take_less(size_t *least, size_t value) { *least = IG_MIN(*least, value); }

static bool read_number(const char *path, const char *format, unsigned long long *value) {
  FILE *file = fopen(path, "r");
  char line[128];
  bool found = false;
  while (file && !found && fgets(line, sizeof line, file)) found = sscanf(line, format, value) == 1;
  if (file) fclose(file);
  return found;
}

/* What the system can give without swapping, a container allows, and limits leave. */
static ig_status free_memory(ig_backend *backend, size_t *out) {
  size_t total;
  IG_TRY(backend->vtable->memory(backend, out, &total));
  if (!backend->vtable->host_memory) return IG_OK;
  unsigned long long value, used;
  if (read_number("/proc/meminfo", "MemAvailable: %llu kB", &value)) *out = (size_t)value * 1024;
  if (read_number("/sys/fs/cgroup/memory.max", "%llu", &value) &&
      read_number("/sys/fs/cgroup/memory.current", "%llu", &used)) {
    take_less(out, value > used ? (size_t)(value - used) : 0);
  }
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    take_less(out, (size_t)limit.rlim_cur / 2);
  }
  return IG_OK;
}

static ig_status begin(search *s) {
  IG_TRY(ig_match_fields(s->model, s->data, &s->match));
  s->passes = (ig_pass_options){.device = s->backend->vtable->device,
                                .compute = ig_precision_dtype(s->options->precision)};
  s->limit = s->options->memory;
  if (s->limit) return IG_OK;
  IG_TRY(free_memory(s->backend, &s->limit));
  s->limit /= (size_t)(MEMORY_SHARE * IG_MAX(s->options->sharers, 1));
  return IG_OK;
}

/* Bytes that `lanes` take with batches of `batch` rows. */
static ig_status memory_of(search *s, int64_t batch, int lanes, size_t *bytes) {
  ig_plan_cache *cache = NULL;
  ig_plan *plan;
  ig_status status = make_plan(s, batch, true, &cache, &plan);
  ig_plan_memory use = {0};
  if (status == IG_OK) use = ig_plan_memory_use(plan);
  if (cache) ig_plan_cache_destroy(cache);
  IG_TRY(status);
  size_t plans, rows;
  bool fits = ig_mul_size(use.slab + use.fixed, (size_t)lanes, &plans) &&
              ig_mul_size((size_t)batch * s->options->row_bytes,
                          (size_t)(s->options->spare + lanes), &rows) &&
              ig_add_size(plans, rows, bytes);
  if (!fits) *bytes = SIZE_MAX;
  return IG_OK;
}

/* The most lanes that fit, at least one. */
static ig_status fit_lanes(search *s, int64_t batch, ig_batch_size *out) {
  out->batch = batch;
  for (out->lanes = s->options->lanes;; out->lanes = (out->lanes + 1) / 2) {
    IG_TRY(memory_of(s, batch, out->lanes, &out->memory));
    if (out->memory <= s->limit || out->lanes == 1) return IG_OK;
  }
}

ig_status ig_batch_size_check(const ig_graph *model, ig_backend *backend, ig_store *store,
                              const ig_dataset *data, const ig_batch_size_options *options,
                              int64_t batch, ig_batch_size *out) {
  search s = {.model = model, .backend = backend, .store = store, .data = data, .options = options};
  *out = (ig_batch_size){0};
  IG_TRY(begin(&s));
  return fit_lanes(&s, batch, out);
}

/* --- time -------------------------------------------------------------------------------------- */

static ig_status time_plan(search *s, ig_plan *plan, void *const *inputs, double *seconds) {
  const ig_rng_state rng = {.seed = s->options->seed};
  for (int i = 0; i < s->match.n_inputs; i++) IG_TRY(ig_plan_bind_input(plan, i, inputs[i]));
  IG_TRY(ig_plan_run(plan, &rng)); /* warm up */
  double best = 1e30, began = ig_now();
  for (int run = 0; run < 20 && (run < 2 || ig_now() - began < LEAST_SECONDS); run++) {
    double start = ig_now();
    IG_TRY(ig_plan_run(plan, &rng));
    best = IG_MIN(best, ig_now() - start);
  }
  *seconds = best;
  return IG_OK;
}

/* Seconds of a batch of zeros: what the numbers are does not change what they cost. */
static ig_status time_batch(search *s, int64_t batch, double *seconds) {
  ig_plan_cache *cache = NULL;
  ig_plan *plan;
  void *inputs[IG_MAX_FIELDS] = {0};
  ig_status status = make_plan(s, batch, false, &cache, &plan);
  for (int i = 0; i < s->match.n_inputs && status == IG_OK; i++) {
    ig_shape shape = ig_match_shape(&s->match, s->data, i, batch);
    inputs[i] = ig_alloc_zero(1, ig_shape_bytes(&shape, s->model->inputs[i]->dtype));
    if (!inputs[i]) status = ig_fail(IG_ERR_MEMORY, "no memory for a batch of %" PRId64, batch);
  }
  if (status == IG_OK) status = time_plan(s, plan, inputs, seconds);
  for (int i = 0; i < s->match.n_inputs; i++) ig_free(inputs[i]);
  if (cache) ig_plan_cache_destroy(cache);
  return status;
}

/* Whether `batch` fits, and is not so large that lanes would be without work at the end. */
static ig_status allowed(search *s, int64_t batch, bool *is) {
  size_t bytes;
  const ig_batch_size_options *o = s->options;
  *is = batch <= o->rows / (4 * (int64_t)o->lanes * IG_MAX(o->sharers, 1));
  if (!*is) return IG_OK;
  IG_TRY(memory_of(s, batch, o->lanes, &bytes));
  *is = bytes <= s->limit;
  return IG_OK;
}

/* Goes up while rows a second rise, or down where the first step up does not pay or fit. */
static ig_status climb(search *s, int64_t *best, double *rate) {
  double start = ig_now(), seconds, budget = MOST_SECONDS;
  bool is;
  IG_TRY(time_batch(s, *best, &seconds));
  *rate = (double)*best / seconds;
  double whole = (double)s->options->rows / (*rate * s->options->lanes);
  budget = IG_MIN(budget, TIME_SHARE * whole);
  int64_t first = *best;
  for (int64_t b = 2 * first; b <= MOST_BATCH && ig_now() - start < budget; b *= 2) {
    IG_TRY(allowed(s, b, &is));
    if (!is) break;
    IG_TRY(time_batch(s, b, &seconds));
    if ((double)b / seconds < *rate * BETTER) {
      if (b > 2 * *best) break; /* two in a row that are no better */
      continue;
    }
    *best = b;
    *rate = (double)b / seconds;
  }
  for (int64_t b = first / 2; *best == 2 * b && b >= LEAST_BATCH && ig_now() - start < budget;
       b /= 2) {
    IG_TRY(time_batch(s, b, &seconds));
    if ((double)b / seconds * BETTER < *rate) break;
    *best = b;
    *rate = (double)b / seconds;
  }
  return IG_OK;
}

static ig_status search_on_one_thread(search *s, ig_batch_size *out) {
  int64_t batch = FIRST_BATCH;
  bool is = false;
  double rate = 0;
  while (batch > 1) {
    IG_TRY(allowed(s, batch, &is));
    if (is) break;
    batch /= 2;
  }
  if (is) IG_TRY(climb(s, &batch, &rate));
  IG_TRY(fit_lanes(s, batch, out));
  out->rows_per_second = rate * out->lanes;
  return IG_OK;
}

/* At most `most` rows, so that every lane has some and the last batch, which is computed whole, lacks few. */
static int64_t even_batch(const ig_batch_size_options *options, int64_t most) {
  int64_t rows = IG_MAX(options->rows, 1), shares = (int64_t)options->lanes * IG_MAX(options->sharers, 1);
  int64_t share = (rows + shares - 1) / shares, batch = IG_MAX(IG_MIN(most, share), 1);
  int64_t batches = (rows + batch - 1) / batch;
  return (rows + batches - 1) / batches;
}

ig_status ig_batch_size_find(const ig_graph *model, ig_backend *backend, ig_store *store,
                             const ig_dataset *data, const ig_batch_size_options *options,
                             ig_batch_size *out) {
  search s = {.model = model, .backend = backend, .store = store, .data = data, .options = options};
  *out = (ig_batch_size){0};
  IG_TRY(begin(&s));
  if (options->rows <= FEW_ROWS) {
    size_t bytes;
    int64_t batch = even_batch(options, USUAL_BATCH);
    for (; batch > 1; batch = even_batch(options, batch / 2)) {
      IG_TRY(memory_of(&s, batch, 1, &bytes));
      if (bytes <= s.limit) break;
    }
    return fit_lanes(&s, batch, out);
  }
#ifdef _OPENMP
  int threads = omp_get_max_threads();
  if (backend->vtable->host_memory) omp_set_num_threads(1);
#endif
  ig_status status = search_on_one_thread(&s, out);
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
  return status;
}
