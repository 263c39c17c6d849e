/* The pass that makes trees of elementwise functions one operator: what it takes in, what it leaves,
 * and that a plan gives the same numbers. The CPU runs the operator by its definition. */
#include "pass_checks.h"

static const ig_pass_options device = {.device = IG_CUDA, .compute = IG_F32};

static ig_value *weight(ig_graph *g, const char *name, ig_shape shape) {
  return ig_graph_param(g, name, IG_F32, shape, noise, true);
}

static ig_value *number(ig_graph *g, float value) {
  return ig_graph_const_f32(g, value);
}

/* Runs the pass and checks how many nodes there are then, and how many of them are fused. */
static void expect(ig_graph *g, int fused, int nodes, double tolerance) {
  run_env env = run_env_open();
  ig_graph *after = same_numbers(&env, g, "fuse_elementwise", &device, tolerance);
  assert_int_equal(run_count(after, "ingot.FusedElementwise"), fused);
  assert_int_equal(after->n_nodes, nodes);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* A tree with both kinds of numbers, a repeated row, bounds, slopes and a shared input. */
static void a_tree(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(5, 32));
  ig_value *w = weight(g, "w", IG_SHAPE(5, 32)), *row = weight(g, "row", IG_SHAPE(32));
  ig_value *left = op(g, "Tanh", op2(g, "Add", op2(g, "Mul", x, number(g, 0.5f)), row));
  ig_value *right = ig_op1(g, "LeakyRelu", NULL, IG_INS(op2(g, "Sub", number(g, 0.3f), w)),
                           IG_ATTRS(IG_FLOAT("alpha", 0.2f)));
  ig_value *sum = op2(g, "Add", left, op2(g, "Mul", right, x));
  ig_value *y =
      ig_op1(g, "Clip", NULL, IG_INS(sum, number(g, -0.4f), number(g, 0.6f)), IG_NO_ATTRS);
  ig_value *gelu = ig_op1(g, "Gelu", NULL, IG_INS(y), IG_ATTRS(IG_STRING("approximate", "tanh")));
  ig_value *slope =
      ig_op1(g, "ingot.UnaryGrad", NULL, IG_INS(gelu, w), IG_ATTRS(IG_STRING("of", "Softplus")));
  ig_graph_output(g, "y", slope);
  expect(g, 1, 1, 2e-6);
}

/* What is read twice, or is an output, is made by a tree of its own. */
static void shared_results(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(5, 32));
  ig_value *h = op(g, "Sigmoid", op(g, "Neg", x)); /* read by both of the others */
  ig_value *out = op2(g, "Mul", op(g, "Exp", h), x);
  ig_graph_output(g, "out", out);
  ig_graph_output(g, "y", op2(g, "Sub", op(g, "Abs", out), h));
  expect(g, 3, 3, 2e-6);
}

/* A column does not repeat along leading dimensions, and a single function is left alone. */
static void left_alone(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(5, 32));
  ig_value *column = weight(g, "column", IG_SHAPE(5, 1));
  ig_graph_output(g, "y", op(g, "Tanh", op2(g, "Mul", x, column)));
  expect(g, 0, 2, 0);
}

/* More inputs and steps than a program may have. */
static void limits(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *y = ig_graph_input(g, "x", IG_F32, IG_SHAPE(5, 32));
  char name[8] = "wa";
  for (int i = 0; i < 12; i++) {
    name[1] = (char)('a' + i);
    y = op(g, "Tanh", op2(g, "Add", y, weight(g, name, IG_SHAPE(5, 32))));
  }
  for (int i = 0; i < 30; i++) y = op(g, i % 2 ? "Sigmoid" : "Neg", y);
  ig_graph_output(g, "y", y);
  expect(g, 3, 3, 2e-6);
}

/* Conversions between float types come and go with the tree. */
static void conversions(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(5, 32));
  ig_value *h = ig_cast(g, op(g, "Tanh", ig_cast(g, x, IG_BF16)), IG_F32);
  ig_graph_output(g, "y", op2(g, "Mul", h, x));
  expect(g, 1, 1, 2e-2); /* bf16 in between before, f32 after */
}

/* For the CPU the pass does nothing. */
static void cpu(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(5, 32));
  ig_graph_output(g, "y", op(g, "Tanh", op(g, "Neg", x)));
  pass(g, "fuse_elementwise", &inference);
  assert_int_equal(run_count(g, "ingot.FusedElementwise"), 0);
  ig_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tree), cmocka_unit_test(shared_results), cmocka_unit_test(left_alone),
      cmocka_unit_test(limits), cmocka_unit_test(conversions),    cmocka_unit_test(cpu),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
