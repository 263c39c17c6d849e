/* Passes around convolutions and poolings: the graph they leave, and that it gives the same
 * numbers. */
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

/* --- share_pool ------------------------------------------------------------------------------- */

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

static void share_pool(void **state) {
  IG_UNUSED(state);
  run_env env = run_env_open();
  ig_graph *g = pooling_with_gradient(), *after = copy(g);
  const ig_pass_options options = {.device = IG_CPU, .training = true, .compute = IG_F32};
  assert_int_equal(run_count(after, "MaxPool"), 2);
  GOOD(ig_passes_run(after, (const char *const[]){"share_pool", NULL}, &options));
  assert_int_equal(run_count(after, "MaxPool"), 1); /* z has other windows and no gradient */
  assert_int_equal(run_count(after, "ingot.MaxPool"), 1);
  same_outputs(&env, g, after, 0);
  ig_graph_destroy(g);
  ig_graph_destroy(after);
  run_env_close(&env);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(share_pool),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
