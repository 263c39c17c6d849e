/* Graphs of channels last as tf2onnx writes them: transposes that sink and cancel, and pads that a convolution takes
 * in, against the graphs as they were. */
#include <math.h>

#include "pass_checks.h"

static const int64_t first[] = {0, 3, 1, 2}, last[] = {0, 2, 3, 1};

static ig_value *param(ig_graph *g, const char *name, ig_shape shape) {
  return ig_graph_param(g, name, IG_F32, shape, noise, true);
}

static ig_value *turn(ig_graph *g, ig_value *x, const int64_t *perm) {
  return ig_op1(g, "Transpose", NULL, IG_INS(x), IG_ATTRS(IG_INTS("perm", 4, perm)));
}

static ig_value *ints(ig_graph *g, int n, const int64_t *list) { return ig_graph_const_i64s(g, n, list); }

/* A convolution of 3 by 3 between the two transposes. */
static ig_value *filter(ig_graph *g, ig_value *x, const char *weight, int64_t from, int64_t to) {
  const int64_t pads[] = {1, 1, 1, 1};
  ig_value *w = param(g, weight, IG_SHAPE(to, from, 3, 3));
  ig_value *y = ig_op1(g, "Conv", NULL, IG_INS(turn(g, x, first), w), IG_ATTRS(IG_INTS("pads", 4, pads)));
  return turn(g, y, last);
}

typedef ig_value *(*between)(ig_graph *g, ig_value *x);

static ig_value *gated(ig_graph *g, ig_value *x) {
  ig_value *y = op2(g, "Add", x, param(g, "bias", IG_SHAPE(4)));
  return op2(g, "Mul", y, op(g, "Sigmoid", op2(g, "Mul", param(g, "map", IG_SHAPE(6, 5, 4)), y)));
}

static ig_value *residual(ig_graph *g, ig_value *x) {
  ig_value *y = op2(g, "Add", filter(g, x, "inner", 4, 4), x);
  return op2(g, "Mul", y, ig_graph_const_f32(g, 0.5f));
}

static ig_value *joined(ig_graph *g, ig_value *x) {
  return ig_op1(g, "Concat", NULL, IG_INS(x, op(g, "Tanh", x)), IG_ATTRS(IG_INT("axis", -1)));
}

static ig_value *cut(ig_graph *g, ig_value *x) {
  const int64_t starts[] = {1, 2}, ends[] = {9, 4}, axes[] = {2, 3}, pads[] = {0, 1, 2, 0, 0, 0, 3, 0};
  x = op2(g, "Pad", x, ints(g, 8, pads));
  return ig_op1(g, "Slice", NULL, IG_INS(x, ints(g, 2, starts), ints(g, 2, ends), ints(g, 2, axes)), IG_NO_ATTRS);
}

static ig_value *squeezed(ig_graph *g, ig_value *x) {
  const int64_t axes[] = {1, 2};
  ig_value *mean = op2(g, "ReduceMean", x, ints(g, 2, axes));
  return op2(g, "Mul", x, op(g, "Sigmoid", mean));
}

/* The transposes left of those around two convolutions with `inside` between them, and those of parameters. */
static void check(between inside, int64_t channels, int left) {
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = filter(g, ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 6, 5, 3)), "w", 3, 4);
  ig_graph_output(g, "y", filter(g, inside(g, x), "v", channels, 2));
  ig_graph *sunk = same_numbers(&env, g, "sink_transposes", &training, 1e-5);
  ig_graph *cleaned = same_numbers(&env, sunk, "dce", &training, 0);
  ig_graph *after = same_numbers(&env, cleaned, "simplify", &training, 0);
  ig_graph *clean = same_numbers(&env, after, "dce", &training, 0);
  assert_int_equal(run_count(clean, "Transpose"), left);
  same_gradients(&env, g, "sink_transposes", 1e-4);
  ig_graph_destroy(clean);
  ig_graph_destroy(after);
  ig_graph_destroy(cleaned);
  ig_graph_destroy(sunk);
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void sinks(void **state) {
  (void)state;
  check(gated, 4, 3); /* one of the parameter `map` */
  check(residual, 4, 2);
  check(joined, 8, 2);
  check(cut, 2, 2);
  check(squeezed, 4, 2);
}

static ig_value *soft(ig_graph *g, ig_value *x) { return op(g, "Softmax", x); }

static ig_value *across(ig_graph *g, ig_value *x) { /* with another tensor in channels last */
  return op2(g, "Add", x, op(g, "Exp", ig_graph_input(g, "z", IG_F32, IG_SHAPE(2, 6, 5, 4))));
}

static void stays(void **state) {
  (void)state;
  check(soft, 4, 4);
  check(across, 4, 4);
}

/* --- fold_pads ------------------------------------------------------------------------------- */

static void pads_one(const char *mode, const char *auto_pad, double value, int64_t channel, int left) {
  const int64_t pads[] = {0, channel, 1, 0, 0, 0, 2, 1}, own[] = {0, 1, 1, 0};
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 6, 5));
  ig_value *in[] = {x, ints(g, 8, pads), ig_graph_const_f32(g, (float)value)};
  ig_value *padded = ig_op1(g, "Pad", NULL, 3, in, IG_ATTRS(IG_STRING("mode", mode)));
  ig_value *w = param(g, "w", IG_SHAPE(4, 3 + channel, 3, 3));
  bool given = strcmp(auto_pad, "NOTSET") == 0;
  ig_graph_output(g, "y",
                  given ? ig_op1(g, "Conv", NULL, IG_INS(padded, w), IG_ATTRS(IG_INTS("pads", 4, own)))
                        : ig_op1(g, "Conv", NULL, IG_INS(padded, w), IG_ATTRS(IG_STRING("auto_pad", auto_pad))));
  ig_graph *after = same_numbers(&env, g, "fold_pads", &training, 1e-5);
  ig_graph *clean = same_numbers(&env, after, "dce", &training, 0);
  assert_int_equal(run_count(clean, "Pad"), left);
  ig_graph_destroy(clean);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void pads(void **state) {
  (void)state;
  pads_one("constant", "NOTSET", 0, 0, 0);
  pads_one("constant", "VALID", 0, 0, 0);
  pads_one("constant", "SAME_UPPER", 0, 0, 1);
  pads_one("constant", "NOTSET", 1, 0, 1);
  pads_one("constant", "NOTSET", 0, 1, 1);
  pads_one("edge", "NOTSET", 0, 0, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sinks),
      cmocka_unit_test(stays),
      cmocka_unit_test(pads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
