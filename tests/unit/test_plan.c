/* Plans against a naive interpreter: random graphs with views, in-place operators, shared operands
 * and assigned state are run for several steps by a plan, and node by node with a fresh buffer for
 * every value. The bits must agree; so a wrong lifetime, overlap, order or in-place write shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "engine/plan/plan.h"

#define MAX_POOL 80
#define MAX_STATES 4
#define ROWS 3
#define COLS 5

/* --- random graphs --------------------------------------------------------------------------- */

typedef struct builder {
  ig_graph *graph;
  ig_rng rng;
  uint64_t drawn;
  ig_value *pool[MAX_POOL];
  int n;
} builder;

static int64_t below(builder *b, int64_t bound) {
  return (int64_t)ig_rng_below(&b->rng, b->drawn++, (uint64_t)bound);
}

static ig_value *pick(builder *b) {
  return b->pool[below(b, b->n)];
}

static void grow(builder *b) {
  static const char *const unary[] = {"Relu", "Tanh", "Neg", "Identity", "Sigmoid"};
  static const char *const binary[] = {"Add", "Sub", "Mul"};
  ig_graph *g = b->graph;
  ig_value *x = pick(b), *y = NULL;
  switch (below(b, 4)) {
  case 0: y = ig_op1(g, unary[below(b, 5)], NULL, IG_INS(x), IG_NO_ATTRS); break;
  case 1: { /* a view there and back, so that every value in the pool has one shape */
    int64_t flat[1] = {-1}, back[2] = {ROWS, COLS};
    ig_value *f = ig_op1(g, "Reshape", NULL, IG_INS(x, ig_graph_const_i64s(g, 1, flat)), IG_NO_ATTRS);
    f = ig_op1(g, unary[below(b, 5)], NULL, IG_INS(f), IG_NO_ATTRS);
    y = ig_op1(g, "Reshape", NULL, IG_INS(f, ig_graph_const_i64s(g, 2, back)), IG_NO_ATTRS);
    break;
  }
  case 2: { /* broadcast of a tiny value, which the schedule hoists */
    int64_t axis[1] = {0};
    ig_value *m = ig_op1(g, "ReduceMax", NULL, IG_INS(x, ig_graph_const_i64s(g, 1, axis)), IG_NO_ATTRS);
    y = ig_op1(g, "Mul", NULL, IG_INS(pick(b), m), IG_NO_ATTRS);
    break;
  }
  default: y = ig_op1(g, binary[below(b, 3)], NULL, IG_INS(x, pick(b)), IG_NO_ATTRS); break;
  }
  b->pool[b->n++] = ig_op1(g, "Tanh", NULL, IG_INS(y), IG_NO_ATTRS); /* keeps numbers in range */
}

static ig_graph *random_graph(uint64_t trial, bool with_states) {
  builder b = {.rng = ig_rng_stream(5, IG_RNG_TEST, trial, 0)};
  assert_int_equal(ig_graph_create("random", &b.graph), IG_OK);
  ig_shape shape = IG_SHAPE(ROWS, COLS);
  b.pool[b.n++] = ig_graph_input(b.graph, "x", IG_F32, shape);
  b.pool[b.n++] = ig_graph_param(b.graph, "w", IG_F32, shape, (ig_init){IG_INIT_NORMAL, 1}, true);
  ig_value *states[MAX_STATES];
  int n_states = with_states ? 1 + (int)below(&b, MAX_STATES) : 0;
  for (int i = 0; i < n_states; i++) {
    char name[16];
    snprintf(name, sizeof name, "s%d", i);
    states[i] = ig_graph_state(b.graph, name, IG_F32, shape, (ig_init){IG_INIT_NORMAL, 1});
    b.pool[b.n++] = states[i];
  }
  int nodes = 3 + (int)below(&b, 30);
  for (int i = 0; i < nodes; i++) grow(&b);
  for (int i = 0; i < n_states; i++) ig_graph_assign(b.graph, states[i], pick(&b));
  for (int64_t i = 1 + below(&b, 3); i > 0; i--) ig_graph_output(b.graph, NULL, pick(&b));
  assert_int_equal(ig_graph_status(b.graph), IG_OK);
  assert_int_equal(ig_graph_sort(b.graph), IG_OK);
  assert_int_equal(ig_graph_compact(b.graph, false), IG_OK);
  assert_int_equal(ig_graph_verify(b.graph), IG_OK);
  return b.graph;
}

/* --- the interpreter ------------------------------------------------------------------------- */

typedef struct interpreter {
  const ig_graph *graph;
  void **data; /* by value id */
} interpreter;

static void interpreter_open(interpreter *in, const ig_graph *graph, ig_store *store,
                             const float *x) {
  in->graph = graph;
  in->data = ig_alloc_zero((size_t)graph->n_values, sizeof *in->data);
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *v = graph->values[i];
    in->data[i] = ig_alloc(ig_value_bytes(v));
    if (v->kind == IG_VALUE_CONST) memcpy(in->data[i], v->data, ig_value_bytes(v));
    if (v->kind == IG_VALUE_INPUT) memcpy(in->data[i], x, ig_value_bytes(v));
    if (v->kind != IG_VALUE_PARAM && v->kind != IG_VALUE_STATE) continue;
    assert_int_equal(ig_store_read(store, ig_store_find(store, v->name), in->data[i]), IG_OK);
  }
}

static void interpreter_step(interpreter *in) {
  const ig_graph *g = in->graph;
  for (int32_t i = 0; i < g->n_nodes; i++) {
    const ig_node *node = g->nodes[i];
    const void *ins[8];
    void *outs[8];
    for (int k = 0; k < node->n_inputs; k++) ins[k] = in->data[node->inputs[k]->id];
    for (int k = 0; k < node->n_outputs; k++) outs[k] = in->data[node->outputs[k]->id];
    if (node->op->flags & IG_OP_VIEW) {
      memcpy(outs[0], ins[0], ig_value_bytes(node->outputs[0]));
      continue;
    }
    const ig_impl *impl;
    assert_int_equal(ig_op_choose(node, IG_CPU, &impl), IG_OK);
    assert_int_equal(ig_op_evaluate(node, impl, ins, outs), IG_OK);
  }
}

/* All sources are read before the first target is written. */
static void interpreter_assign(interpreter *in) {
  const ig_graph *g = in->graph;
  float copies[MAX_STATES][ROWS * COLS];
  for (int32_t i = 0; i < g->n_assigns; i++) {
    memcpy(copies[i], in->data[g->assigns[i].source->id], sizeof copies[i]);
  }
  for (int32_t i = 0; i < g->n_assigns; i++) {
    memcpy(in->data[g->assigns[i].target->id], copies[i], sizeof copies[i]);
  }
}

static void interpreter_close(interpreter *in) {
  for (int32_t i = 0; i < in->graph->n_values; i++) ig_free(in->data[i]);
  ig_free(in->data);
}

/* Whether the value is a STATE or a view of one, which shows the new value after a run. */
static bool shows_state(const ig_value *v) {
  while (v->producer && (v->producer->op->flags & IG_OP_VIEW)) v = v->producer->inputs[0];
  return v->kind == IG_VALUE_STATE;
}

/* --- comparison ------------------------------------------------------------------------------ */

static void compare_run(ig_backend *backend, uint64_t trial, bool with_states, bool frozen) {
  ig_graph *graph = random_graph(trial, with_states);
  ig_store *store;
  assert_int_equal(ig_store_create(backend, &store), IG_OK);
  ig_plan_options options = {.seed = trial, .frozen_params = frozen};
  ig_plan *plan;
  ig_status status = ig_plan_create(graph, backend, store, &options, &plan);
  if (status != IG_OK) print_error("%s\n", ig_last_error());
  assert_int_equal(status, IG_OK);
  float x[ROWS * COLS];
  ig_rng rng = ig_rng_stream(trial, IG_RNG_TEST, 1, 1);
  ig_rng_normals(&rng, 0, ROWS * COLS, x);
  interpreter in;
  interpreter_open(&in, graph, store, x);
  if (ig_value_use_count(graph, graph->inputs[0]) > 0) {
    assert_int_equal(ig_plan_bind_input(plan, 0, x), IG_OK);
  }
  for (int step = 0; step < 3; step++) {
    interpreter_step(&in);
    assert_int_equal(ig_plan_run(plan, NULL), IG_OK);
    for (int32_t i = 0; i < graph->n_outputs; i++) {
      const ig_value *out = graph->outputs[i];
      if (shows_state(out)) continue;
      assert_memory_equal(ig_plan_output(plan, i), in.data[out->id], ig_value_bytes(out));
    }
    interpreter_assign(&in);
    for (int32_t i = 0; i < graph->n_assigns; i++) {
      const ig_value *target = graph->assigns[i].target;
      float now[ROWS * COLS];
      assert_int_equal(ig_store_read(store, ig_store_find(store, target->name), now), IG_OK);
      assert_memory_equal(now, in.data[target->id], sizeof now);
    }
  }
  ig_plan_memory memory = ig_plan_memory_use(plan);
  assert_true(memory.slab >= memory.lower_bound && memory.slab <= memory.sum + 64 * 200);
  interpreter_close(&in);
  ig_plan_destroy(plan);
  ig_store_destroy(store);
  ig_graph_destroy(graph);
}

static void random_graphs_agree(void **state) {
  for (uint64_t trial = 0; trial < 300; trial++) compare_run(*state, trial, false, false);
}

static void assigned_states_agree(void **state) {
  for (uint64_t trial = 0; trial < 300; trial++) compare_run(*state, trial, true, false);
}

static void frozen_parameters_agree(void **state) {
  for (uint64_t trial = 0; trial < 150; trial++) compare_run(*state, trial, trial % 2, true);
}

/* --- particular promises --------------------------------------------------------------------- */

static void a_chain_runs_in_place(void **state) {
  ig_graph *g;
  assert_int_equal(ig_graph_create("chain", &g), IG_OK);
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(1000));
  for (int i = 0; i < 20; i++) x = ig_op1(g, "Tanh", NULL, IG_INS(x), IG_NO_ATTRS);
  ig_graph_output(g, "y", x);
  ig_store *store;
  ig_plan *plan;
  ig_plan_options options = {0};
  assert_int_equal(ig_store_create(*state, &store), IG_OK);
  assert_int_equal(ig_plan_create(g, *state, store, &options, &plan), IG_OK);
  assert_int_equal(ig_plan_memory_use(plan).slab, 4032); /* one buffer of 4,000 bytes, rounded */
  assert_int_equal(ig_plan_run(plan, NULL), IG_ERR_USAGE);
  assert_string_equal(ig_last_error(), "input 'x' was not bound");
  ig_plan_destroy(plan);
  options.memory_limit = 1000;
  assert_int_equal(ig_plan_create(g, *state, store, &options, &plan), IG_ERR_MEMORY);
  ig_store_destroy(store);
  ig_graph_destroy(g);
}

static void frozen_work_is_done_once(void **state) {
  ig_graph *g;
  assert_int_equal(ig_graph_create("frozen", &g), IG_OK);
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(4));
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(4), (ig_init){IG_INIT_NORMAL, 1}, false);
  ig_value *folded = ig_op1(g, "Exp", NULL, IG_INS(w), IG_NO_ATTRS);
  ig_graph_output(g, "y", ig_op1(g, "Mul", NULL, IG_INS(x, folded), IG_NO_ATTRS));
  ig_store *store;
  assert_int_equal(ig_store_create(*state, &store), IG_OK);
  for (int frozen = 0; frozen < 2; frozen++) {
    ig_plan *plan;
    ig_plan_options options = {.frozen_params = frozen};
    assert_int_equal(ig_plan_create(g, *state, store, &options, &plan), IG_OK);
    assert_int_equal(ig_plan_step_at(plan, 0).fixed, frozen);
    assert_false(ig_plan_step_at(plan, 1).fixed);
    ig_plan_destroy(plan);
  }
  ig_store_destroy(store);
  ig_graph_destroy(g);
}

static ig_status count_prepared(ig_graph *graph, void *context) {
  IG_UNUSED(graph);
  ++*(int *)context;
  return IG_OK;
}

static void the_cache_compiles_each_shape_once(void **state) {
  ig_graph *g;
  assert_int_equal(ig_graph_create("cached", &g), IG_OK);
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(1, 3));
  ig_value_set_symbol(g, x, 0, "N");
  ig_graph_output(g, "y", ig_op1(g, "Relu", NULL, IG_INS(x), IG_NO_ATTRS));
  ig_store *store;
  ig_plan_cache *cache;
  ig_plan_options options = {0};
  int prepared = 0;
  assert_int_equal(ig_store_create(*state, &store), IG_OK);
  assert_int_equal(
      ig_plan_cache_create(g, *state, store, &options, count_prepared, &prepared, &cache), IG_OK);
  ig_plan *a, *b, *c;
  ig_shape two = IG_SHAPE(2, 3), seven = IG_SHAPE(7, 3), bad = IG_SHAPE(2, 4);
  assert_int_equal(ig_plan_cache_get(cache, &two, &a), IG_OK);
  assert_int_equal(ig_plan_cache_get(cache, &seven, &b), IG_OK);
  assert_int_equal(ig_plan_cache_get(cache, &two, &c), IG_OK);
  assert_ptr_equal(a, c);
  assert_ptr_not_equal(a, b);
  assert_int_equal(prepared, 2);
  assert_int_equal(ig_plan_cache_get(cache, &bad, &c), IG_ERR_SHAPE);
  assert_string_equal(ig_last_error(), "input 'x': dimension 1 must be 3, found 4");
  ig_plan_cache_destroy(cache);
  ig_store_destroy(store);
  ig_graph_destroy(g);
}

static int open_backend(void **state) {
  return ig_backend_cpu_create(2, (ig_backend **)state) != IG_OK;
}

static int close_backend(void **state) {
  ig_backend_destroy(*state);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_graphs_agree),
      cmocka_unit_test(assigned_states_agree),
      cmocka_unit_test(frozen_parameters_agree),
      cmocka_unit_test(a_chain_runs_in_place),
      cmocka_unit_test(frozen_work_is_done_once),
      cmocka_unit_test(the_cache_compiles_each_shape_once),
  };
  return cmocka_run_group_tests(tests, open_backend, close_backend);
}
