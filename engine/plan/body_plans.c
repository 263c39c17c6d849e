/* A table of few entries, the oldest of which makes room; a body whose shapes grow with each turn passes
 * through it without ever being planned. */
#include "engine/plan/body_plans.h"

#include <string.h>

#include "engine/passes/pass.h"
#include "engine/plan/plan.h"

#define ENTRIES 64

typedef struct entry {
  ig_graph *body; /* held; NULL for a free place */
  ig_value *inputs; /* dtypes and shapes */
  bool refused; /* no plan holds it */
  ig_graph *graph;
  ig_plan *plan;
} entry;

struct ig_body_plans {
  size_t memory_limit;
  ig_backend *backend;
  ig_store *store; /* empty: bodies have no parameters */
  int next;
  entry entries[ENTRIES];
};

ig_status ig_body_plans_create(size_t memory_limit, ig_body_plans **out) {
  ig_body_plans *plans = ig_alloc_zero(1, sizeof *plans);
  IG_CHECK_ALLOC(plans);
  plans->memory_limit = memory_limit;
  *out = plans;
  return IG_OK;
}

static void entry_clear(entry *e) {
  ig_plan_destroy(e->plan);
  ig_graph_destroy(e->graph);
  ig_graph_destroy(e->body);
  ig_free(e->inputs);
  *e = (entry){0};
}

void ig_body_plans_destroy(ig_body_plans *plans) {
  if (!plans) return;
  for (int i = 0; i < ENTRIES; i++) entry_clear(&plans->entries[i]);
  ig_store_destroy(plans->store);
  ig_backend_destroy(plans->backend);
  ig_free(plans);
}

static bool matches(const entry *e, const ig_graph *body, ig_datum *const *in) {
  if (e->body != body) return false;
  for (int32_t i = 0; i < body->n_inputs; i++) {
    if (e->inputs[i].dtype != in[i]->dtype) return false;
    if (!ig_shape_equal(&e->inputs[i].shape, &in[i]->shape)) return false;
  }
  return true;
}

static ig_status remember(ig_body_plans *plans, const ig_graph *body, ig_datum *const *in) {
  entry *e = &plans->entries[plans->next];
  plans->next = (plans->next + 1) % ENTRIES;
  entry_clear(e);
  e->inputs = ig_alloc_zero((size_t)body->n_inputs + 1, sizeof *e->inputs);
  IG_CHECK_ALLOC(e->inputs);
  for (int32_t i = 0; i < body->n_inputs; i++) {
    e->inputs[i] = (ig_value){.kind = IG_VALUE_INPUT, .dtype = in[i]->dtype, .shape = in[i]->shape};
  }
  e->body = ig_graph_hold(body);
  return IG_OK;
}

static ig_status plan_entry(ig_body_plans *plans, entry *e) {
  if (!plans->backend) IG_TRY(ig_backend_cpu_create(-1, &plans->backend));
  if (!plans->store) IG_TRY(ig_store_create(plans->backend, &plans->store));
  size_t n = (size_t)e->body->n_inputs + 1;
  ig_value **like = ig_alloc_zero(n, sizeof *like);
  IG_CHECK_ALLOC(like);
  for (int32_t i = 0; i < e->body->n_inputs; i++) like[i] = &e->inputs[i];
  ig_status status = ig_graph_specialize_body(e->body, like, &e->graph);
  ig_free(like);
  IG_TRY(status);
  static const ig_pass_options passes = {.device = IG_CPU, .compute = IG_F32};
  IG_TRY(ig_passes_run(e->graph, ig_pipeline_inference, &passes));
  const ig_plan_options options = {.memory_limit = plans->memory_limit};
  return ig_plan_create(e->graph, plans->backend, plans->store, &options, &e->plan);
}

ig_status ig_body_plans_run(ig_body_plans *plans, const ig_graph *body, const ig_rng_state *rng,
                            ig_datum *const *in, ig_datum **out, bool *ran, int64_t *steps) {
  entry *e = NULL;
  *ran = false;
  for (int32_t i = 0; i < body->n_inputs; i++) {
    if (!in[i] || in[i]->kind != IG_DATUM_TENSOR || in[i]->dtype == IG_STRING) return IG_OK;
  }
  for (int i = 0; i < ENTRIES && !e; i++) {
    if (matches(&plans->entries[i], body, in)) e = &plans->entries[i];
  }
  if (!e) return remember(plans, body, in);
  if (e->refused) return IG_OK;
  if (!e->plan && plan_entry(plans, e) != IG_OK) {
    e->refused = true; /* the interpreter says what is wrong, if anything is */
    ig_clear_error();
    return IG_OK;
  }
  *ran = true;
  *steps = ig_plan_step_count(e->plan);
  return ig_plan_run_data(e->plan, rng, in, out);
}
