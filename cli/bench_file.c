/* `ingot bench infer` of a model in a file, trained or imported: the plan that `ingot infer` would run, over
 * random numbers, with the time of each kind of operator. */
#include <stdlib.h>
#include <string.h>

#include "api/model_source.h"
#include "cli/bench.h"
#include "engine/base/rng.h"
#include "engine/eval/latency.h"
#include "engine/passes/pass.h"
#include "engine/plan/plan.h"

typedef struct run {
  ig_model_source source;
  ig_graph *graph;
  ig_store *store;
  ig_plan *plan;
  void **inputs; /* by graph input */
  double *seconds;
} run;

static ig_status specialize(run *r, int64_t batch) {
  const ig_graph *g = r->source.graph;
  ig_shape *shapes = ig_alloc_zero((size_t)g->n_inputs + 1, sizeof *shapes);
  IG_CHECK_ALLOC(shapes);
  for (int32_t i = 0; i < g->n_inputs; i++) {
    shapes[i] = g->inputs[i]->shape;
    for (int d = 0; d < shapes[i].rank; d++) {
      if (g->inputs[i]->symbols[d]) shapes[i].dims[d] = batch;
    }
  }
  ig_status status = ig_graph_specialize(g, shapes, &r->graph);
  ig_free(shapes);
  return status;
}

/* Normal numbers; zeros where integers are expected, which are tokens more often than not. */
static ig_status make_inputs(run *r, uint64_t seed) {
  r->inputs = ig_alloc_zero((size_t)r->graph->n_inputs + 1, sizeof *r->inputs);
  IG_CHECK_ALLOC(r->inputs);
  for (int32_t i = 0; i < r->graph->n_inputs; i++) {
    const ig_value *x = r->graph->inputs[i];
    r->inputs[i] = ig_alloc_zero((size_t)ig_value_count(x) + 1, ig_dtype_size(x->dtype));
    IG_CHECK_ALLOC(r->inputs[i]);
    ig_rng rng = ig_rng_stream(seed, IG_RNG_TEST, 0, (uint64_t)i);
    for (int64_t j = 0; ig_dtype_is_float(x->dtype) && j < ig_value_count(x); j++) {
      ig_store_f64(x->dtype, r->inputs[i], j, (double)ig_rng_normal(&rng, (uint64_t)j));
    }
    IG_TRY(ig_plan_bind_input(r->plan, i, r->inputs[i]));
  }
  return IG_OK;
}

static ig_status make(run *r, const ig_bench_values *v, ig_backend *backend, uint64_t seed) {
  ig_precision precision = ig_precision_parse(v->precision);
  const ig_pass_options passes = {.device = backend->vtable->device,
                                  .compute = ig_precision_dtype(precision)};
  const ig_plan_options options = {
      .frozen_params = true, .release_params = true, .tf32 = precision == IG_PRECISION_TF32};
  IG_TRY(ig_model_source_open(v->model, 0, &r->source));
  IG_TRY(specialize(r, v->batch ? v->batch : 1));
  IG_TRY(ig_passes_run(r->graph, ig_pipeline_inference, &passes));
  IG_TRY(ig_model_source_store(&r->source, backend, &r->store));
  IG_TRY(ig_store_add_graph(r->store, r->graph, seed));
  IG_TRY(ig_plan_create(r->graph, backend, r->store, &options, &r->plan));
  return make_inputs(r, seed);
}

static ig_status time_runs(run *r, const ig_bench_values *v) {
  for (int64_t i = 0; i < v->warmup + v->steps; i++) {
    double start = ig_now();
    IG_TRY(ig_plan_run(r->plan, NULL));
    if (i >= v->warmup) r->seconds[i - v->warmup] = ig_now() - start;
  }
  ig_plan_profile(r->plan, true);
  for (int64_t i = 0; i < v->steps; i++) IG_TRY(ig_plan_run(r->plan, NULL));
  return IG_OK;
}

/* Milliseconds of a run by operator and implementation. */
static void add_profile(const run *r, json_t *result) {
  json_t *table = json_object();
  double runs = (double)IG_MAX(ig_plan_profiled_runs(r->plan), 1);
  for (int i = 0; i < ig_plan_step_count(r->plan); i++) {
    ig_plan_step s = ig_plan_step_at(r->plan, i);
    char key[128];
    if (!s.impl || s.fixed) continue;
    snprintf(key, sizeof key, "%s %s", s.node->op->name, s.impl->name);
    double before = json_number_value(json_object_get(table, key));
    ig_json_real(table, key, before + 1e3 * s.seconds / runs);
  }
  json_object_set_new(result, "operators_ms", table);
}

ig_status ig_bench_file(const ig_cli *cli, const ig_bench_values *v, ig_backend *backend) {
  run r = {0};
  json_t *result = NULL;
  ig_status status;
  r.seconds = ig_alloc((size_t)v->steps * sizeof *r.seconds);
  IG_CHECK_ALLOC(r.seconds);
  IG_TRY_DONE(make(&r, v, backend, (uint64_t)cli->common->seed));
  IG_TRY_DONE(time_runs(&r, v));
  result = json_object();
  json_object_set_new(result, "engine", json_string("ingot"));
  json_object_set_new(result, "task", json_string(v->action));
  json_object_set_new(result, "model", json_string(v->model));
  json_object_set_new(result, "batch", json_integer(v->batch ? v->batch : 1));
  json_object_set_new(result, "precision", json_string(v->precision));
  ig_bench_summary(result, "latency", r.seconds, v->steps, "samples_per_second",
                   (double)(v->batch ? v->batch : 1));
  add_profile(&r, result);
  ig_bench_machine(cli, backend, result);
  status = ig_bench_report(cli, result);
done:
  ig_plan_destroy(r.plan);
  for (int32_t i = 0; r.inputs && i < r.graph->n_inputs; i++) ig_free(r.inputs[i]);
  ig_free(r.inputs);
  ig_graph_destroy(r.graph);
  ig_store_destroy(r.store);
  ig_model_source_close(&r.source);
  ig_free(r.seconds);
  return status;
}
