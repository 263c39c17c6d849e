/* Passes around convolutions, poolings and attention: the graph they leave, and that it gives
 * the same numbers. */
#include "graph_run.h"

#include "engine/autodiff.h"
#include "engine/passes/pass.h"

static const ig_init noise = {.kind = IG_INIT_NORMAL, .value = 0.5f};

static ig_graph *copy(const ig_graph *g) {
  ig_graph *other;
  GOOD(ig_graph_status(g));
  GOOD(ig_graph_specialize(g, NULL, &other));
  return other;
}

/* Every output of `after` equals that of `before` within `tolerance`. */
static void same_outputs(run_env *env, ig_graph *before, ig_graph *after, double tolerance) {
  assert_int_equal(before->n_outputs, after->n_outputs);
  for (int32_t i = 0; i < before->n_outputs; i++) {
    int64_t n, m;
    double *want = run_graph(env, before, false, 10, i, &n);
    double *got = run_graph(env, after, false, 10, i, &m);
    assert_int_equal(n, m);
    double difference = run_difference(got, want, n);
    if (!(difference <= tolerance)) fail_msg("output %d differs by %g", i, difference);
    free(want);
    free(got);
  }
}

/* --- share_forward ---------------------------------------------------------------------------- */

static ig_graph *pooling_with_gradient(void) {
  ig_graph *g;
  GOOD(ig_graph_create("pool", &g));
  ig_value *x = ig_graph_param(g, "x", IG_F32, IG_SHAPE(2, 3, 6, 6), noise, true);
  int64_t two[] = {2, 2}, other[] = {3, 3};
  ig_value *y = ig_op1(g, "MaxPool", NULL, IG_INS(x),
                       IG_ATTRS(IG_INTS("kernel_shape", 2, two), IG_INTS("strides", 2, two)));
  ig_value *z = ig_op1(g, "MaxPool", NULL, IG_INS(x),
                       IG_ATTRS(IG_INTS("kernel_shape", 2, other), IG_INTS("strides", 2, other)));
  ig_value *loss =
      ig_op1(g, "ReduceSum", NULL, IG_INS(ig_op1(g, "Exp", NULL, IG_INS(y), IG_NO_ATTRS)),
             IG_ATTRS(IG_INT("keepdims", 0)));
  ig_value *dx;
  GOOD(ig_graph_status(g));
  GOOD(ig_autodiff(g, loss, NULL, 1, &x, &dx));
  ig_graph_output(g, "y", y);
  ig_graph_output(g, "z", z);
  ig_graph_output(g, "dx", dx);
  return g;
}

static void share_pooling(void **state) {
  IG_UNUSED(state);
  run_env env = run_env_open();
  ig_graph *g = pooling_with_gradient(), *after = copy(g);
  const ig_pass_options options = {.device = IG_CPU, .training = true, .compute = IG_F32};
  assert_int_equal(run_count(after, "MaxPool"), 2);
  GOOD(ig_passes_run(after, (const char *const[]){"share_forward", NULL}, &options));
  assert_int_equal(run_count(after, "MaxPool"), 1); /* z has other windows and no gradient */
  assert_int_equal(run_count(after, "ingot.MaxPool"), 1);
  same_outputs(&env, g, after, 0);
  ig_graph_destroy(g);
  ig_graph_destroy(after);
  run_env_close(&env);
}

/* --- attention -------------------------------------------------------------------------------- */

/* Four heads of queries over two of keys, from one projection `x`; with `gradient`, its
 * gradient. */
static ig_graph *attention(bool gradient) {
  ig_graph *g;
  GOOD(ig_graph_create("attention", &g));
  ig_value *x = ig_graph_param(g, "x", IG_F32, IG_SHAPE(2, 37, 128), noise, true);
  int64_t sizes[] = {64, 32, 32};
  ig_node *split = ig_graph_node(g, "Split", NULL, IG_INS(x, ig_graph_const_i64s(g, 3, sizes)),
                                 IG_ATTRS(IG_INT("axis", -1)), 3);
  assert_non_null(split);
  ig_value *y =
      ig_op1(g, "Attention", NULL, IG_INS(split->outputs[0], split->outputs[1], split->outputs[2]),
             IG_ATTRS(IG_INT("is_causal", 1), IG_INT("q_num_heads", 4), IG_INT("kv_num_heads", 2)));
  ig_graph_output(g, "y", y);
  if (!gradient) return g;
  ig_value *loss =
      ig_op1(g, "ReduceSum", NULL, IG_INS(ig_op1(g, "Exp", NULL, IG_INS(y), IG_NO_ATTRS)),
             IG_ATTRS(IG_INT("keepdims", 0)));
  ig_value *dx;
  GOOD(ig_graph_status(g));
  GOOD(ig_autodiff(g, loss, NULL, 1, &x, &dx));
  ig_graph_output(g, "dx", dx);
  return g;
}

static void pass(ig_graph *g, const char *name) {
  const ig_pass_options options = {.device = IG_CPU, .training = true, .compute = IG_F32};
  GOOD(ig_passes_run(g, (const char *const[]){name, NULL}, &options));
  GOOD(ig_graph_verify(g));
}

static void share_attention(void **state) {
  IG_UNUSED(state);
  run_env env = run_env_open();
  ig_graph *g = attention(true), *after = copy(g);
  assert_int_equal(run_count(after, "Attention"), 1);
  pass(after, "share_forward");
  assert_int_equal(run_count(after, "Attention"), 0);
  assert_int_equal(run_count(after, "ingot.Attention"), 1);
  same_outputs(&env, g, after, 0);
  ig_graph_destroy(g);
  ig_graph_destroy(after);
  run_env_close(&env);
}

/* The gradient through the packed form equals that through Split and its three parts. */
static void pack_attention(void **state) {
  IG_UNUSED(state);
  run_env env = run_env_open();
  ig_graph *plain = attention(true), *packed = attention(false);
  pass(packed, "pack_attention");
  assert_int_equal(run_count(packed, "Split"), 0);
  assert_int_equal(run_count(packed, "Attention"), 0);
  ig_value *loss =
      ig_op1(packed, "ReduceSum", NULL,
             IG_INS(ig_op1(packed, "Exp", NULL, IG_INS(packed->outputs[0]), IG_NO_ATTRS)),
             IG_ATTRS(IG_INT("keepdims", 0)));
  ig_value *x = ig_graph_find_value(packed, "x"), *dx;
  GOOD(ig_autodiff(packed, loss, NULL, 1, &x, &dx));
  ig_graph_output(packed, "dx", dx);
  same_outputs(&env, plain, packed, 1e-6);
  ig_graph_destroy(plain);
  ig_graph_destroy(packed);
  run_env_close(&env);
}

/* --- layout ----------------------------------------------------------------------------------- */

static ig_value *conv(ig_graph *g, const char *name, ig_value *x, int64_t out) {
  ig_value *w = ig_graph_param(g, name, IG_F32, IG_SHAPE(out, x->shape.dims[1], 3, 3),
                               (ig_init){.kind = IG_INIT_NORMAL, .value = 0.1f}, true);
  int64_t pads[] = {1, 1, 1, 1};
  return ig_op1(g, "Conv", NULL, IG_INS(x, w), IG_ATTRS(IG_INTS("pads", 4, pads)));
}

static ig_value *batch_norm(ig_graph *g, ig_value *x) {
  const ig_init one = {.kind = IG_INIT_ONE}, zero = {.kind = IG_INIT_ZERO};
  ig_shape c = IG_SHAPE(x->shape.dims[1]);
  ig_value *in[] = {x, ig_graph_param(g, "scale", IG_F32, c, one, false),
                    ig_graph_param(g, "shift", IG_F32, c, zero, false),
                    ig_graph_state(g, "mean", IG_F32, c, zero),
                    ig_graph_state(g, "var", IG_F32, c, one)};
  return ig_op1(g, "BatchNormalization", NULL, 5, in, IG_NO_ATTRS);
}

/* A small residual network of odd and even channels that ends in a matrix, with an activation among
 * its outputs, and the gradients of all parameters. */
static ig_graph *network(bool gradient) {
  ig_graph *g;
  GOOD(ig_graph_create("network", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 8, 8));
  int64_t two[] = {2, 2};
  ig_value *a = ig_op1(g, "Relu", NULL, IG_INS(batch_norm(g, conv(g, "w1", x, 32))), IG_NO_ATTRS);
  ig_value *b = ig_op1(g, "Sigmoid", NULL, IG_INS(conv(g, "w2", a, 24)), IG_NO_ATTRS);
  ig_value *c = ig_op1(g, "Add", NULL, IG_INS(conv(g, "w3", b, 32), a), IG_NO_ATTRS);
  ig_value *d = ig_op1(g, "MaxPool", NULL, IG_INS(c),
                       IG_ATTRS(IG_INTS("kernel_shape", 2, two), IG_INTS("strides", 2, two)));
  ig_value *e = conv(g, "w4", d, 10);
  ig_value *y =
      ig_op1(g, "Flatten", NULL,
             IG_INS(ig_op1(g, "GlobalAveragePool", NULL, IG_INS(d), IG_NO_ATTRS)), IG_NO_ATTRS);
  ig_graph_output(g, "y", y);
  ig_graph_output(g, "d", d);
  ig_graph_output(g, "e", e);
  if (!gradient) return g;
  ig_value *loss = ig_op1(
      g, "Add", NULL,
      IG_INS(ig_op1(g, "ReduceSum", NULL, IG_INS(ig_op1(g, "Exp", NULL, IG_INS(y), IG_NO_ATTRS)),
                    IG_ATTRS(IG_INT("keepdims", 0))),
             ig_op1(g, "ReduceSum", NULL, IG_INS(ig_op1(g, "Tanh", NULL, IG_INS(e), IG_NO_ATTRS)),
                    IG_ATTRS(IG_INT("keepdims", 0)))),
      IG_NO_ATTRS);
  ig_value *params[8], *grads[8];
  int n = 0;
  for (int32_t i = 0; i < g->n_values; i++) {
    if (g->values[i]->kind == IG_VALUE_PARAM) params[n++] = g->values[i];
  }
  GOOD(ig_graph_status(g));
  GOOD(ig_autodiff(g, loss, NULL, n, params, grads));
  for (int i = 0; i < n; i++) ig_graph_output(g, params[i]->name, grads[i]);
  return g;
}

static int blocked_values(const ig_graph *g) {
  int n = 0;
  for (int32_t i = 0; i < g->n_values; i++) n += g->values[i]->layout == IG_LAYOUT_BLOCK16;
  return n;
}

/* Kernels differ by layout (Winograd among them): equal up to rounding. */
static void layouts_change_no_numbers(void **state) {
  IG_UNUSED(state);
  run_env env = run_env_open();
  for (int gradient = 0; gradient < 2; gradient++) {
    ig_graph *g = network(gradient), *after = copy(g);
    pass(after, "layout");
    assert_int_equal(blocked_values(g), 0);
    assert_true(blocked_values(after) > 5);
    for (int32_t i = 0; i < after->n_outputs; i++) {
      assert_int_equal(after->outputs[i]->layout, IG_LAYOUT_ROWS);
    }
    same_outputs(&env, g, after, 1e-4);
    ig_graph_destroy(g);
    ig_graph_destroy(after);
  }
  run_env_close(&env);
}

/* Between two convolutions nothing is reordered; elsewhere each activation once. */
static void reorders_stand_at_borders(void **state) {
  IG_UNUSED(state);
  ig_graph *g;
  GOOD(ig_graph_create("chain", &g));
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 8, 8));
  ig_value *y = ig_op1(g, "Relu", NULL, IG_INS(batch_norm(g, conv(g, "w1", x, 32))), IG_NO_ATTRS);
  y = ig_op1(g, "Relu", NULL, IG_INS(conv(g, "w2", y, 32)), IG_NO_ATTRS);
  ig_graph_output(g, "a", ig_op1(g, "Flatten", NULL, IG_INS(y), IG_NO_ATTRS));
  ig_graph_output(g, "b", ig_op1(g, "Transpose", NULL, IG_INS(y), IG_NO_ATTRS));
  pass(g, "layout");
  assert_int_equal(run_count(g, "ingot.Reorder"), 1);
  ig_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(share_pooling),
      cmocka_unit_test(share_attention),
      cmocka_unit_test(pack_attention),
      cmocka_unit_test(layouts_change_no_numbers),
      cmocka_unit_test(reorders_stand_at_borders),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
