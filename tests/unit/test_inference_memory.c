/* What inference holds of its parameters: a checkpoint's memory goes over to the store, and a plan
 * that may do so gives up what it holds packed. Neither may change a result. */
#include <string.h>

#include "engine/models/model.h"
#include "engine/passes/pass.h"
#include "graph_run.h"

#define BATCH 4

typedef struct subject {
  const char *model;
  ig_model_spec spec;
} subject;

static const subject lenet = {"lenet", {.input = {3, {1, 28, 28}}, .n_outputs = 10}};
static const subject residual = {"resnet18:cifar", {.input = {3, {3, 16, 16}}, .n_outputs = 10}};
static const subject gpt = {"gpt:layers=2,heads=2,embd=64,ctx=16",
                            {.input = {1, {16}}, .n_outputs = 33}};

/* As the evaluator makes it, for BATCH samples. */
static ig_graph *inference_graph(const subject *s) {
  ig_graph *template_graph, *graph;
  GOOD(ig_model_build(s->model, &s->spec, &template_graph));
  ig_shape shape = {.rank = s->spec.input.rank + 1, .dims = {BATCH}};
  memcpy(shape.dims + 1, s->spec.input.dims, (size_t)s->spec.input.rank * sizeof *shape.dims);
  GOOD(ig_graph_specialize(template_graph, &shape, &graph));
  ig_graph_destroy(template_graph);
  ig_pass_options passes = {.device = IG_CPU, .compute = IG_F32};
  GOOD(ig_passes_run(graph, ig_pipeline_inference, &passes));
  return graph;
}

/* Random numbers, or tokens below 33. */
static void *input_of(const ig_value *x) {
  ig_rng rng = ig_rng_stream(3, IG_RNG_TEST, 0, 0);
  void *data = ig_alloc(ig_value_bytes(x));
  assert_non_null(data);
  for (int64_t i = 0; i < ig_value_count(x); i++) {
    if (x->dtype == IG_I64) ((int64_t *)data)[i] = (int64_t)ig_rng_below(&rng, (uint64_t)i, 33);
    if (x->dtype == IG_F32) ((float *)data)[i] = ig_rng_normal(&rng, (uint64_t)i);
  }
  return data;
}

/* Runs a plan of `graph`; the output is copied to `out`. */
static ig_plan_memory run_plan(run_env *env, ig_graph *graph, bool release, void *out) {
  ig_plan_options options = {.frozen_params = true, .release_params = release};
  ig_plan *plan;
  void *input = input_of(graph->inputs[0]);
  GOOD(ig_plan_create(graph, env->backend, env->store, &options, &plan));
  GOOD(ig_plan_bind_input(plan, 0, input));
  for (int i = 0; i < 2; i++) GOOD(ig_plan_run(plan, &(ig_rng_state){0}));
  memcpy(out, ig_plan_output(plan, 0), ig_value_bytes(graph->outputs[0]));
  ig_plan_memory memory = ig_plan_memory_use(plan);
  ig_plan_destroy(plan);
  ig_free(input);
  return memory;
}

static int64_t given_up(const ig_store *store) {
  int64_t count = 0;
  for (int64_t i = 0; i < ig_store_count(store); i++) {
    count += ig_store_entry_at(store, i)->data == NULL;
  }
  return count;
}

/* The same bits with and without release; less is held; another plan gets a message. */
static void releases_what_is_packed(const subject *s, const char *kept) {
  run_env env = run_env_open();
  ig_graph *graph = inference_graph(s);
  GOOD(ig_store_add_graph(env.store, graph, 1));
  run_env_shake(&env);
  size_t bytes = ig_value_bytes(graph->outputs[0]), store = ig_store_bytes(env.store);
  void *plain = ig_alloc(bytes), *released = ig_alloc(bytes);
  assert_true(plain && released);
  ig_plan_memory before = run_plan(&env, graph, false, plain);
  assert_int_equal(before.params, store);
  assert_int_equal(given_up(env.store), 0);
  ig_plan_memory after = run_plan(&env, graph, true, released);
  assert_memory_equal(plain, released, bytes);
  assert_true(after.params < before.params / 2);
  assert_true(given_up(env.store) > 0);
  if (kept) assert_non_null(ig_store_find(env.store, kept)->data);
  ig_plan *another;
  ig_plan_options options = {.frozen_params = true};
  assert_int_not_equal(ig_plan_create(graph, env.backend, env.store, &options, &another), IG_OK);
  assert_non_null(strstr(ig_last_error(), "given up by an earlier plan"));
  ig_free(plain);
  ig_free(released);
  ig_graph_destroy(graph);
  run_env_close(&env);
}

static void lenet_releases(void **state) {
  IG_UNUSED(state);
  releases_what_is_packed(&lenet, NULL);
}

/* Weights with batch normalisation folded in are computed once, packed, and let go. */
static void residual_network_releases(void **state) {
  IG_UNUSED(state);
  releases_what_is_packed(&residual, NULL);
  run_env env = run_env_open();
  ig_graph *graph = inference_graph(&residual);
  float out[BATCH * 10];
  ig_plan_memory memory = run_plan(&env, graph, false, out);
  assert_true(memory.fixed < memory.params / 8);
  ig_graph_destroy(graph);
  run_env_close(&env);
}

/* The embedding is packed for the logits, but looked up in rows as well. */
static void gpt_keeps_its_embedding(void **state) {
  IG_UNUSED(state);
  releases_what_is_packed(&gpt, "wte.weight");
}

static ig_snapshot *snapshot_of(const ig_graph *graph, uint64_t seed) {
  run_env env = run_env_open();
  ig_snapshot *snapshot;
  GOOD(ig_snapshot_create(&snapshot));
  GOOD(ig_store_add_graph(env.store, graph, seed));
  GOOD(ig_store_to_snapshot(env.store, snapshot));
  run_env_close(&env);
  return snapshot;
}

static void a_snapshots_memory_changes_hands(void **state) {
  IG_UNUSED(state);
  ig_graph *graph = inference_graph(&lenet);
  ig_snapshot *snapshot = snapshot_of(graph, 5);
  run_env env = run_env_open(), same = run_env_open();
  GOOD(ig_store_add_graph(same.store, graph, 5));
  const void *memory = ig_snapshot_find(snapshot, IG_ROLE_PARAMETER, "fc1.weight")->data;
  GOOD(ig_store_take_snapshot(env.store, graph, snapshot));
  assert_ptr_equal(ig_store_find(env.store, "fc1.weight")->data, memory);
  assert_int_equal(ig_store_count(env.store), ig_store_count(same.store));
  for (int64_t i = 0; i < snapshot->n_tensors; i++) {
    const ig_store_entry *e = ig_store_find(env.store, snapshot->tensors[i].name);
    assert_null(snapshot->tensors[i].data);
    assert_memory_equal(e->data, ig_store_find(same.store, e->name)->data,
                        ig_shape_bytes(&e->shape, e->dtype));
  }
  assert_int_equal(ig_store_take_snapshot(same.store, graph, snapshot), IG_ERR_USAGE);
  ig_snapshot_destroy(snapshot);
  run_env_close(&env);
  run_env_close(&same);
  ig_graph_destroy(graph);
}

static void a_foreign_snapshot_is_refused(void **state) {
  IG_UNUSED(state);
  ig_graph *graph = inference_graph(&lenet), *other = inference_graph(&gpt);
  ig_snapshot *snapshot = snapshot_of(other, 5);
  run_env env = run_env_open();
  assert_int_equal(ig_store_take_snapshot(env.store, graph, snapshot), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "is missing"));
  run_env_close(&env);
  ig_snapshot_destroy(snapshot);
  ig_graph_destroy(graph);
  ig_graph_destroy(other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lenet_releases),
      cmocka_unit_test(residual_network_releases),
      cmocka_unit_test(gpt_keeps_its_embedding),
      cmocka_unit_test(a_snapshots_memory_changes_hands),
      cmocka_unit_test(a_foreign_snapshot_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
