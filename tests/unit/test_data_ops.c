/* What the operator driver cannot see of the data operators: that a dropout mask belongs to its
 * sample and node, that indices from data are checked while running, and what inference refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/autodiff.h"
#include "engine/base/rng.h"
#include "engine/plan/plan.h"

/* --- dropout ----------------------------------------------------------------------------------- */

#define WIDTH 1500

/* y = Dropout(x) of ones [samples, WIDTH] into `out`. */
static void drop(const char *name, int64_t samples, const ig_rng_state *rng, float *out) {
  ig_graph *g;
  assert_int_equal(ig_graph_create("dropout", &g), IG_OK);
  const uint8_t yes = 1;
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(samples, WIDTH));
  ig_value *y = ig_op1(
      g, "Dropout", name,
      IG_INS(x, ig_graph_const_f32(g, 0.25f), ig_graph_const(g, NULL, IG_BOOL, IG_SCALAR, &yes)),
      IG_NO_ATTRS);
  ig_graph_output(g, "y", y);
  float *ones = ig_alloc((size_t)samples * WIDTH * sizeof *ones);
  assert_non_null(ones);
  for (int64_t i = 0; i < samples * WIDTH; i++) ones[i] = 1;
  const void *in[] = {ones, g->nodes[0]->inputs[1]->data, &yes};
  void *to[] = {out};
  const ig_impl *impl = ig_op_impl(g->nodes[0]->op, IG_CPU, 0);
  ig_call call = {.node = g->nodes[0], .in = in, .out = to, .rng = rng};
  assert_int_equal(impl->run(&call), IG_OK);
  ig_free(ones);
  ig_graph_destroy(g);
}

static void test_mask_belongs_to_sample(void **state) {
  IG_UNUSED(state);
  static float whole[8 * WIDTH], part[3 * WIDTH], other[8 * WIDTH];
  ig_rng_state rng = {.seed = 7, .step = 3, .first_sample = 100};
  drop("a", 8, &rng, whole);
  rng.first_sample = 104; /* another batch, as another rank would have it */
  drop("a", 3, &rng, part);
  assert_memory_equal(part, whole + 4 * WIDTH, sizeof part);
  rng.first_sample = 100;
  drop("b", 8, &rng, other);
  assert_memory_not_equal(other, whole, sizeof other);
  rng.step = 4;
  drop("a", 8, &rng, other);
  assert_memory_not_equal(other, whole, sizeof other);
  rng = (ig_rng_state){.seed = 8, .step = 3, .first_sample = 100};
  drop("a", 8, &rng, other);
  assert_memory_not_equal(other, whole, sizeof other);
}

/* The sum of y = Dropout(x) has gradient 1 / (1 - ratio) where y is kept and 0 elsewhere. */
static void test_dropout_gradient(void **state) {
  IG_UNUSED(state);
  ig_graph *g;
  assert_int_equal(ig_graph_create("dropout", &g), IG_OK);
  const uint8_t yes = 1;
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(4, 60)), *dx = NULL;
  ig_value *y = ig_op1(
      g, "Dropout", NULL,
      IG_INS(x, ig_graph_const_f32(g, 0.25f), ig_graph_const(g, NULL, IG_BOOL, IG_SCALAR, &yes)),
      IG_NO_ATTRS);
  ig_value *sum = ig_op1(g, "ReduceSum", NULL, IG_INS(y), IG_ATTRS(IG_INT("keepdims", 0)));
  assert_int_equal(ig_autodiff(g, sum, NULL, 1, &x, &dx), IG_OK);
  ig_graph_output(g, "y", y);
  ig_graph_output(g, "dx", dx);
  ig_backend *backend;
  ig_store *store;
  ig_plan *plan;
  assert_int_equal(ig_backend_cpu_create(1, &backend), IG_OK);
  assert_int_equal(ig_store_create(backend, &store), IG_OK);
  assert_int_equal(ig_plan_create(g, backend, store, &(ig_plan_options){.seed = 1}, &plan), IG_OK);
  float ones[240];
  for (int i = 0; i < 240; i++) ones[i] = 1;
  assert_int_equal(ig_plan_bind_input(plan, 0, ones), IG_OK);
  assert_int_equal(ig_plan_run(plan, &(ig_rng_state){.seed = 5}), IG_OK);
  const float *kept = ig_plan_output(plan, 0), *grad = ig_plan_output(plan, 1);
  int zeros = 0;
  for (int i = 0; i < 240; i++) {
    zeros += kept[i] == 0;
    assert_true(kept[i] == grad[i] && (kept[i] == 0 || (kept[i] > 1.333f && kept[i] < 1.334f)));
  }
  assert_in_range(zeros, 30, 90);
  ig_plan_destroy(plan);
  ig_store_destroy(store);
  ig_backend_destroy(backend);
  ig_graph_destroy(g);
}

/* Many blocks at once are the numbers that come one by one, across the 32-bit block counter too. */
static void test_blocks(void **state) {
  IG_UNUSED(state);
  ig_rng rng = ig_rng_stream(5, IG_RNG_TEST, 3, 9);
  uint64_t first = ((uint64_t)1 << 32) - 21;
  uint32_t bits[4 * 53];
  ig_rng_blocks(&rng, first, 53, bits);
  for (uint64_t i = 0; i < 4 * 53; i++) assert_int_equal(bits[i], ig_rng_u32(&rng, 4 * first + i));
}

/* --- indices from data -------------------------------------------------------------------------- */

static ig_status evaluate(ig_graph *g, const void *const *given) {
  const ig_node *node = g->nodes[g->n_nodes - 1];
  const void *in[4];
  void *out[2] = {NULL};
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    in[i] = v->kind == IG_VALUE_CONST ? v->data : given[i];
  }
  out[0] = ig_alloc(ig_value_bytes(node->outputs[0]));
  assert_non_null(out[0]);
  ig_status status = ig_op_evaluate(node, NULL, in, out);
  ig_free(out[0]);
  return status;
}

static void test_indices_are_checked(void **state) {
  IG_UNUSED(state);
  static const float table[32] = {0};
  static const int64_t past[] = {0, 8}, before[] = {-9, 0}, good[] = {-8, 7};
  ig_graph *g;
  assert_int_equal(ig_graph_create("indices", &g), IG_OK);
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(8, 4));
  ig_value *i = ig_graph_input(g, "i", IG_I64, IG_SHAPE(2));
  ig_value *dy = ig_graph_input(g, "dy", IG_F32, IG_SHAPE(2, 4));
  assert_non_null(ig_op1(g, "Gather", NULL, IG_INS(x, i), IG_NO_ATTRS));
  assert_int_equal(evaluate(g, (const void *[]){table, good}), IG_OK);
  assert_int_equal(evaluate(g, (const void *[]){table, past}), IG_ERR_INPUT);
  assert_non_null(strstr(ig_last_error(), "index 8 at position 1"));
  assert_int_equal(evaluate(g, (const void *[]){table, before}), IG_ERR_INPUT);
  assert_non_null(ig_op1(g, "ingot.GatherGrad", NULL, IG_INS(dy, i), IG_ATTRS(IG_INT("rows", 8))));
  assert_int_equal(evaluate(g, (const void *[]){table, good}), IG_OK);
  assert_int_equal(evaluate(g, (const void *[]){table, past}), IG_ERR_INPUT);
  ig_value *cache = ig_graph_input(g, "cache", IG_F32, IG_SHAPE(2, 4, 4));
  ig_value *update = ig_graph_input(g, "update", IG_F32, IG_SHAPE(2, 2, 4));
  assert_non_null(ig_op1(g, "TensorScatter", NULL, IG_INS(cache, update, i), IG_NO_ATTRS));
  static const int64_t fits[] = {0, 2}, leaves[] = {0, 3}, negative[] = {-1, 0};
  assert_int_equal(evaluate(g, (const void *[]){table, table, fits}), IG_OK);
  assert_int_equal(evaluate(g, (const void *[]){table, table, leaves}), IG_ERR_INPUT);
  assert_int_equal(evaluate(g, (const void *[]){table, table, negative}), IG_ERR_INPUT);
  ig_value *heads = ig_graph_input(g, "heads", IG_F32, IG_SHAPE(1, 2, 2, 4));
  ig_value *angles = ig_graph_input(g, "angles", IG_F32, IG_SHAPE(8, 2));
  ig_value *places = ig_graph_input(g, "places", IG_I64, IG_SHAPE(1, 2));
  assert_non_null(
      ig_op1(g, "RotaryEmbedding", NULL, IG_INS(heads, angles, angles, places), IG_NO_ATTRS));
  assert_int_equal(evaluate(g, (const void *[]){table, table, table, fits}), IG_OK);
  assert_int_equal(evaluate(g, (const void *[]){table, table, table, past}), IG_ERR_INPUT);
  assert_int_equal(evaluate(g, (const void *[]){table, table, table, negative}), IG_ERR_INPUT);
  ig_graph_destroy(g);
}

/* --- what inference refuses --------------------------------------------------------------------- */

typedef struct refusal {
  const char *op, *says; /* part of the message */
  ig_shape shapes[5];    /* f32 inputs; a rank of -1 stands for the list */
  int n_in;
  int n_list;
  int64_t list[4];
  ig_attr attr;
} refusal;

#define SHAPE_OF(...)                                                                              \
  {                                                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {                                   \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define THE_LIST                                                                                   \
  {                                                                                                \
    -1, {                                                                                          \
      0                                                                                            \
    }                                                                                              \
  }
#define AN_INT(key, value)                                                                         \
  { .name = (key), .type = IG_ATTR_INT, .i = (value) }

static const refusal refusals[] = {
    {"Reshape", "more than one -1", {SHAPE_OF(2, 3), THE_LIST}, 2, 2, {-1, -1}},
    {"Reshape", "do not divide", {SHAPE_OF(2, 3), THE_LIST}, 2, 2, {4, -1}},
    {"Reshape", "6 elements", {SHAPE_OF(2, 3), THE_LIST}, 2, 2, {7, 1}},
    {"Reshape", "no dimension to copy", {SHAPE_OF(6), THE_LIST}, 2, 2, {6, 0}},
    {"Reshape", "negative", {SHAPE_OF(6), THE_LIST}, 2, 1, {-6}},
    {"Reshape", "more elements than", {SHAPE_OF(6), THE_LIST}, 2, 2, {INT64_MAX, INT64_MAX}},
    {"Flatten", "outside [-2, 2]", {SHAPE_OF(2, 3)}, 1, .attr = AN_INT("axis", 3)},
    {"Squeeze", "is not 1", {SHAPE_OF(2, 1), THE_LIST}, 2, 1, {0}},
    {"Squeeze", "named twice", {SHAPE_OF(1, 1), THE_LIST}, 2, 2, {0, -2}},
    {"Unsqueeze", "outside", {SHAPE_OF(2), THE_LIST}, 2, 1, {2}},
    {"Transpose",
     "2 entries",
     {SHAPE_OF(2, 3, 4)},
     1,
     .attr = {.name = "perm", .type = IG_ATTR_INTS, .ints = {2, (const int64_t[]){0, 1}}}},
    {"Transpose",
     "not a permutation",
     {SHAPE_OF(2, 3)},
     1,
     .attr = {.name = "perm", .type = IG_ATTR_INTS, .ints = {2, (const int64_t[]){1, 1}}}},
    {"Concat", "differs", {SHAPE_OF(2, 3), SHAPE_OF(3, 3)}, 2, .attr = AN_INT("axis", 1)},
    {"Concat", "does not fit", {SHAPE_OF(2, 3)}, 1, .attr = AN_INT("axis", 2)},
    {"Split", "where 3 of 3", {SHAPE_OF(3), THE_LIST}, 2, 1, {4}},
    {"Split", "leave 1 of 3", {SHAPE_OF(3), THE_LIST}, 2, 1, {2}},
    {"Slice", "must be as many", {SHAPE_OF(3), THE_LIST, SHAPE_OF(1)}, 2, 1, {0}},
    {"Expand", "does not broadcast", {SHAPE_OF(2, 3), THE_LIST}, 2, 2, {4, 3}},
    {"Pad", "3 pads", {SHAPE_OF(2), THE_LIST}, 2, 3, {1, 1, 1}},
    {"Pad", "do not fit", {SHAPE_OF(2), THE_LIST}, 2, 2, {-1, -2}},
    {"Pad", "do not fit", {SHAPE_OF(2), THE_LIST}, 2, 2, {INT64_MAX, 1}},
    {"Pad",
     "mode must be",
     {SHAPE_OF(2), THE_LIST},
     2,
     2,
     {1, 1},
     {.name = "mode", .type = IG_ATTR_STRING, .s = "mirror"}},
    {"Gather", "indices must be", {SHAPE_OF(2, 3), SHAPE_OF(1)}, 2},
    {"Gather", "beyond 8", {SHAPE_OF(2, 1, 1, 1, 1, 1, 1, 1), THE_LIST}, 2, -2, {0}},
    {"Cast", "no element type", {SHAPE_OF(2)}, 1, .attr = AN_INT("to", 14)},
    {"LayerNormalization", "scale must be 3", {SHAPE_OF(2, 3), SHAPE_OF(2)}, 2},
    {"BatchNormalization",
     "input 2",
     {SHAPE_OF(2, 3, 4), SHAPE_OF(3), SHAPE_OF(4), SHAPE_OF(3), SHAPE_OF(3)},
     5},
    {"GroupNormalization",
     "do not divide",
     {SHAPE_OF(2, 3, 4), SHAPE_OF(3), SHAPE_OF(3)},
     3,
     .attr = AN_INT("num_groups", 2)},
    {"GroupNormalization",
     "do not divide",
     {SHAPE_OF(2, 3, 4), SHAPE_OF(3), SHAPE_OF(3)},
     3,
     .attr = AN_INT("num_groups", 0)},
    {"Resize", "either scales or sizes", {SHAPE_OF(2, 3)}, 1},
    {"RotaryEmbedding",
     "table of cosines",
     {SHAPE_OF(1, 2, 3, 4), SHAPE_OF(1, 3, 1), SHAPE_OF(1, 3, 2)},
     3},
    {"TensorScatter", "after the batch", {SHAPE_OF(4, 4), SHAPE_OF(2, 4)}, 2},
    {"ConstantOfShape", "negative", {THE_LIST}, 1, 1, {-1}},
};

static void test_refusals(void **state) {
  IG_UNUSED(state);
  for (int k = 0; k < IG_COUNT(refusals); k++) {
    const refusal *r = &refusals[k];
    ig_graph *g;
    assert_int_equal(ig_graph_create("refused", &g), IG_OK);
    ig_value *in[5];
    for (int i = 0; i < r->n_in; i++) {
      char name[16];
      snprintf(name, sizeof name, "in%d", i);
      ig_shape matrix = IG_SHAPE(1, 1); /* indices of rank 2 */
      in[i] = r->shapes[i].rank >= 0 ? ig_graph_input(g, name, IG_F32, r->shapes[i])
              : r->n_list < 0        ? ig_graph_const(g, NULL, IG_I64, matrix, r->list)
                                     : ig_graph_const_i64s(g, r->n_list, r->list);
    }
    if (strcmp(r->op, "Slice") == 0) in[2] = ig_graph_const_i64s(g, 2, (int64_t[]){1, 2});
    int n_in = strcmp(r->op, "Slice") == 0 ? 3 : r->n_in;
    ig_value *y = ig_op1(g, r->op, NULL, n_in, in, r->attr.name != NULL, &r->attr);
    if (y || ig_graph_status(g) == IG_OK || !strstr(ig_last_error(), r->says)) {
      print_error("%s: expected '%s', got '%s'\n", r->op, r->says, y ? "a value" : ig_last_error());
      fail();
    }
    ig_graph_destroy(g);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_mask_belongs_to_sample),
      cmocka_unit_test(test_dropout_gradient),
      cmocka_unit_test(test_blocks),
      cmocka_unit_test(test_indices_are_checked),
      cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
