/* Runs graphs in tests: a store with made-up values, a plan, inputs drawn from a counter, outputs as
 * doubles. Everything asserts, so that a test reads as what it means. */
#ifndef IG_TESTS_GRAPH_RUN_H
#define IG_TESTS_GRAPH_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/backend/backend.h"
#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "engine/graph/graph.h"
#include "engine/ops/op.h"
#include "engine/plan/plan.h"

/* Fails the test with Ingot's own message. */
#define GOOD(call)                                                                                 \
  do {                                                                                             \
    ig_status good_status = (call);                                                                \
    if (good_status != IG_OK) fail_msg("%s: %s", #call, ig_last_error());                          \
  } while (0)

typedef struct run_env {
  ig_backend *backend;
  ig_store *store;
} run_env;

static inline run_env run_env_open(void) {
  run_env env;
  GOOD(ig_backend_cpu_create(2, &env.backend));
  GOOD(ig_store_create(env.backend, &env.store));
  return env;
}

static inline void run_env_close(run_env *env) {
  ig_store_destroy(env->store);
  ig_backend_destroy(env->backend);
}

/* Values that a fresh model has not: BatchNormalization with statistics of 0 and 1 would hide
 * mistakes. Every float entry becomes uniform in [-0.5, 0.5), those ending in "var" in [0.5, 1.5). */
static inline void run_env_shake(run_env *env) {
  for (int64_t i = 0; i < ig_store_count(env->store); i++) {
    ig_store_entry *entry = ig_store_entry_at(env->store, i);
    if (entry->dtype != IG_F32) continue;
    ig_rng rng = ig_rng_stream(5, IG_RNG_TEST, 0, ig_hash_name(entry->name));
    size_t length = strlen(entry->name);
    float shift = length > 3 && strcmp(entry->name + length - 3, "var") == 0 ? 0.5f : -0.5f;
    for (int64_t k = 0; k < ig_shape_count(&entry->shape); k++) {
      ((float *)entry->data)[k] = ig_rng_uniform(&rng, (uint64_t)k) + shift;
    }
  }
}

/* Input data by name: floats uniform in [-1, 1), integers in [0, `below`). Freed with free. */
static inline void *run_input(const ig_value *input, int64_t below) {
  int64_t count = ig_value_count(input);
  char *data = malloc(ig_value_bytes(input) + 1);
  assert_non_null(data);
  ig_rng rng = ig_rng_stream(6, IG_RNG_TEST, 0, ig_hash_name(input->name));
  for (int64_t i = 0; i < count; i++) {
    double value = ig_dtype_is_float(input->dtype)
                       ? 2 * (double)ig_rng_uniform(&rng, (uint64_t)i) - 1
                       : (double)ig_rng_below(&rng, (uint64_t)i, (uint64_t)below);
    ig_store_f64(input->dtype, data, i, value);
  }
  return data;
}

/* Output `index` of one run on such inputs, as doubles (free); shares the env's store. */
static inline double *run_graph(run_env *env, ig_graph *graph, bool frozen, int64_t below,
                                int index, int64_t *count) {
  GOOD(ig_graph_verify(graph));
  GOOD(ig_store_add_graph(env->store, graph, 3));
  ig_plan *plan;
  ig_plan_options options = {.frozen_params = frozen};
  GOOD(ig_plan_create(graph, env->backend, env->store, &options, &plan));
  void *inputs[16];
  assert_true(graph->n_inputs <= 16);
  for (int32_t i = 0; i < graph->n_inputs; i++) {
    inputs[i] = run_input(graph->inputs[i], below);
    GOOD(ig_plan_bind_input(plan, i, inputs[i]));
  }
  GOOD(ig_plan_run(plan, &(ig_rng_state){.seed = 9}));
  const ig_value *out = graph->outputs[index];
  *count = ig_value_count(out);
  double *values = malloc(((size_t)*count + 1) * sizeof *values);
  assert_non_null(values);
  for (int64_t i = 0; i < *count; i++) {
    values[i] = ig_load_f64(out->dtype, ig_plan_output(plan, index), i);
  }
  for (int32_t i = 0; i < graph->n_inputs; i++) free(inputs[i]);
  ig_plan_destroy(plan);
  return values;
}

/* The largest |a - b| / max(1, |b|); infinite when a value is not finite. */
static inline double run_difference(const double *a, const double *b, int64_t count) {
  double worst = 0;
  for (int64_t i = 0; i < count; i++) {
    double size = b[i] < 0 ? -b[i] : b[i], d = a[i] - b[i];
    d = (d < 0 ? -d : d) / (size > 1 ? size : 1);
    if (!(d <= worst)) worst = d != d ? 1e300 : d;
  }
  return worst;
}

/* Live nodes of that operator. */
static inline int run_count(const ig_graph *graph, const char *op) {
  int n = 0;
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    n += ig_node_is_live(graph->nodes[i]) && strcmp(graph->nodes[i]->op->name, op) == 0;
  }
  return n;
}

#endif
