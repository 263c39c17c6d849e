/* `ingot bench infer --model net.onnx --data in.npz`: a model from a file over arrays, run as `ingot infer`
 * does it, again and again; with --profile, where a run's time goes, by operator and implementation. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/bench.h"
#include "cli/infer_arrays.h"
#include "engine/eval/latency.h"
#include "engine/plan/session.h"

typedef struct run {
  const ig_graph *graph;
  ig_named_datum *in;
  ig_datum **given, **made;
  ig_store *store;
  ig_session *session;
} run;

static ig_status open_run(run *r, const ig_cli *cli, const ig_bench_values *v, ig_model_source *model,
                          ig_backend *backend) {
  const ig_session_options options = {
      .plan = {.frozen_params = true, .release_params = true, .seed = (uint64_t)cli->common->seed,
               .tf32 = ig_precision_parse(v->precision) == IG_PRECISION_TF32},
      .compute = ig_precision_dtype(ig_precision_parse(v->precision))};
  r->graph = model->graph;
  size_t n_in = (size_t)r->graph->n_inputs + 1, n_out = (size_t)r->graph->n_outputs + 1;
  r->in = ig_alloc_zero(n_in, sizeof *r->in);
  r->given = ig_alloc_zero(n_in, sizeof *r->given);
  r->made = ig_alloc_zero(n_out, sizeof *r->made);
  IG_CHECK(r->in && r->given && r->made, IG_ERR_MEMORY, "out of memory");
  IG_TRY(ig_input_arrays(r->graph, v->data, r->in, r->given));
  IG_TRY(ig_model_source_store(model, backend, &r->store));
  return ig_session_create(r->graph, backend, r->store, &options, &r->session);
}

static void close_run(run *r) {
  for (int32_t i = 0; r->in && i < r->graph->n_inputs; i++) ig_datum_release(r->in[i].datum);
  ig_session_destroy(r->session);
  ig_store_destroy(r->store);
  ig_free(r->in);
  ig_free(r->given);
  ig_free(r->made);
}

/* Of all threads: what a run costs while other programs hold the processor as well. */
static double processor_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static ig_status time_runs(run *r, const ig_bench_values *v, double *seconds, double *processor) {
  for (int64_t i = -v->warmup - 1; i < v->steps; i++) { /* the first run makes the plan */
    ig_plan *plan = ig_session_plan(r->session);
    if (plan && i == 0 && v->profile) ig_plan_profile(plan, true);
    double start = ig_now(), used = processor_time();
    IG_TRY(ig_session_run(r->session, r->given, r->made));
    if (i >= 0) {
      seconds[i] = ig_now() - start;
      processor[i] = processor_time() - used;
    }
    for (int32_t k = 0; k < r->graph->n_outputs; k++) ig_datum_release(r->made[k]);
  }
  return IG_OK;
}

/* --- the profile ------------------------------------------------------------------------------- */

typedef struct row {
  const char *op, *impl;
  int64_t count;
  double seconds;
} row;

static int slower_first(const void *a, const void *b) {
  double x = ((const row *)a)->seconds, y = ((const row *)b)->seconds;
  return (x < y) - (x > y);
}

static int collect(const ig_plan *plan, row *rows) {
  int n = 0;
  for (int i = 0; i < ig_plan_step_count(plan); i++) {
    ig_plan_step step = ig_plan_step_at(plan, i);
    if (!step.impl || step.fixed) continue;
    int at = 0;
    while (at < n && (strcmp(rows[at].op, step.node->op->name) || strcmp(rows[at].impl, step.impl->name)))
      at++;
    if (at == n) rows[n++] = (row){.op = step.node->op->name, .impl = step.impl->name};
    rows[at].count++;
    rows[at].seconds += step.seconds;
  }
  qsort(rows, (size_t)n, sizeof *rows, slower_first);
  return n;
}

static ig_status add_profile(const ig_cli *cli, const run *r, json_t *result) {
  const ig_plan *plan = ig_session_plan(r->session);
  IG_CHECK(plan, IG_ERR_UNSUPPORTED, "--profile: no plan can hold this model: %s",
           ig_session_interpreted(r->session));
  row *rows = ig_alloc_zero((size_t)ig_plan_step_count(plan) + 1, sizeof *rows);
  IG_CHECK(rows, IG_ERR_MEMORY, "out of memory");
  int n = collect(plan, rows);
  double runs = (double)ig_plan_profiled_runs(plan);
  json_t *list = json_array();
  for (int i = 0; i < n; i++) {
    double ms = 1e3 * rows[i].seconds / runs;
    json_t *entry = json_object();
    json_object_set_new(entry, "operator", json_string(rows[i].op));
    json_object_set_new(entry, "implementation", json_string(rows[i].impl));
    json_object_set_new(entry, "nodes", json_integer((json_int_t)rows[i].count));
    ig_json_real(entry, "ms", ms);
    json_array_append_new(list, entry);
    if (!cli->common->json) {
      ig_say(cli, "%10.3f ms  %5lld x %s, %s\n", ms, (long long)rows[i].count, rows[i].op, rows[i].impl);
    }
  }
  ig_free(rows);
  if (cli->common->json) {
    json_object_set_new(result, "profile", list);
  } else {
    json_decref(list);
  }
  return IG_OK;
}

static ig_status describe(const ig_cli *cli, const ig_bench_values *v, run *r, double *seconds,
                          double *processor, json_t *result) {
  const char *why = ig_session_interpreted(r->session);
  json_object_set_new(result, "engine", json_string("ingot"));
  json_object_set_new(result, "task", json_string(v->action));
  json_object_set_new(result, "model", json_string(v->model));
  json_object_set_new(result, "precision", json_string(v->precision));
  json_object_set_new(result, "steps", json_integer(v->steps));
  json_object_set_new(result, "warmup", json_integer(v->warmup));
  if (why) json_object_set_new(result, "interpreted", json_string(why));
  ig_bench_summary(result, "latency", seconds, v->steps, "runs_per_second", 1);
  ig_sort_times(processor, v->steps);
  ig_json_real(result, "processor_ms_median", 1e3 * ig_percentile(processor, v->steps, 50));
  return v->profile ? add_profile(cli, r, result) : IG_OK;
}

ig_status ig_bench_arrays(const ig_cli *cli, const ig_bench_values *v, ig_backend *backend) {
  IG_CHECK(strcmp(v->action, "infer") == 0, IG_ERR_USAGE, "--data is of bench infer");
  run r = {0};
  json_t *result = json_object();
  double *seconds = ig_alloc(2 * (size_t)v->steps * sizeof *seconds), *processor = seconds + v->steps;
  ig_model_source model = {0};
  ig_status status;
  IG_TRY_DONE(result && seconds ? IG_OK : ig_fail(IG_ERR_MEMORY, "no memory for the times"));
  IG_TRY_DONE(ig_model_source_open(v->model, 0, &model));
  IG_TRY_DONE(open_run(&r, cli, v, &model, backend));
  IG_TRY_DONE(time_runs(&r, v, seconds, processor));
  IG_TRY_DONE(describe(cli, v, &r, seconds, processor, result));
  ig_bench_machine(cli, backend, result);
  status = ig_bench_report(cli, result);
  result = NULL;
done:
  json_decref(result);
  close_run(&r);
  if (model.graph) ig_model_source_close(&model);
  ig_free(seconds);
  return status;
}
