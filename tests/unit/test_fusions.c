/* Fusing passes as graph tests: what the graph looks like before and after, and that a plan of either
 * gives the same numbers and the same gradients. */
#include "pass_checks.h"

/* --- fuse_add_layernorm ---------------------------------------------------------------------- */

static ig_graph *residual_graph(bool bias) {
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(5, 32));
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(5, 32), noise, true);
  ig_value *scale = ig_graph_param(g, "scale", IG_F32, IG_SHAPE(32), noise, false);
  ig_value *sum = op2(g, "Add", x, op(g, "Tanh", w));
  ig_value *in[] = {sum, scale, NULL};
  if (bias) in[2] = ig_graph_param(g, "bias", IG_F32, IG_SHAPE(32), noise, false);
  ig_value *y = ig_op1(g, "LayerNormalization", NULL, bias ? 3 : 2, in,
                       IG_ATTRS(IG_INT("axis", -1), IG_FLOAT("epsilon", 1e-3f)));
  ig_graph_output(g, "y", op2(g, "Add", op(g, "Tanh", y), sum)); /* the sum goes on */
  return g;
}

static void fuse_add_layernorm(void **state) {
  (void)state;
  for (int bias = 0; bias < 2; bias++) {
    run_env env = run_env_open();
    ig_graph *g = residual_graph(bias);
    ig_graph *after = same_numbers(&env, g, "fuse_add_layernorm", &training, 1e-6);
    assert_int_equal(run_count(after, "ingot.AddLayerNormalization"), 1);
    assert_int_equal(run_count(after, "LayerNormalization"), 0);
    assert_int_equal(run_count(after, "Add"), 1);
    same_gradients(&env, g, "fuse_add_layernorm", 1e-5);
    ig_graph_destroy(after);
    ig_graph_destroy(g);
    run_env_close(&env);
  }
}

static void fuse_add_layernorm_declines(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(5, 32));
  ig_value *row = ig_graph_param(g, "row", IG_F32, IG_SHAPE(32), noise, true);
  ig_value *scale = ig_graph_param(g, "scale", IG_F32, IG_SHAPE(32), noise, false);
  ig_graph_output(g, "y", op2(g, "LayerNormalization", op2(g, "Add", x, row), scale));
  pass(g, "fuse_add_layernorm", &training);
  assert_int_equal(run_count(g, "Add"), 1); /* a broadcast sum is not a residual */
  ig_graph_destroy(g);
}

/* --- fuse_batch_norm ------------------------------------------------------------------------- */

static ig_value *scaled(ig_graph *g, const char *name, ig_value *x) {
  return op2(g, "Mul", x, ig_graph_param(g, name, IG_F32, IG_SHAPE(20, 1, 1), noise, true));
}

/* A residual block with a normalised shortcut, whose convolutions are products by channel. */
static ig_graph *block_graph(void) {
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(3, 20, 5, 4));
  ig_value *h = op(g, "Relu", batch_norm(g, "first", scaled(g, "a", x)));
  ig_value *shortcut = batch_norm(g, "shortcut", scaled(g, "b", x));
  h = batch_norm(g, "second", scaled(g, "c", h));
  ig_graph_output(g, "y", op(g, "Relu", op2(g, "Add", shortcut, h)));
  return g;
}

static void fuse_batch_norm(void **state) {
  (void)state;
  for (int trains = 0; trains < 2; trains++) {
    run_env env = run_env_open();
    ig_graph *g = block_graph();
    if (trains) pass(g, "train_mode", &training);
    ig_graph *after = same_numbers(&env, g, "fuse_batch_norm", &training, 1e-5);
    assert_int_equal(run_count(after, "ingot.FusedBatchNormalization"), 2);
    assert_int_equal(run_count(after, "BatchNormalization"), 1);
    assert_int_equal(run_count(after, "Relu") + run_count(after, "Add"), 0);
    assert_int_equal(after->n_assigns, trains ? 6 : 0);
    same_gradients(&env, g, "fuse_batch_norm", 1e-4);
    ig_graph_destroy(after);
    ig_graph_destroy(g);
    run_env_close(&env);
  }
}

static void fuse_batch_norm_declines(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(3, 20, 5, 4));
  ig_value *kept = batch_norm(g, "kept", x); /* its result has another reader */
  ig_graph_output(g, "kept", kept);
  ig_graph_output(g, "relu", op(g, "Relu", kept));
  ig_value *wide = op2(g, "Add", batch_norm(g, "wide", x),
                       ig_graph_param(g, "row", IG_F32, IG_SHAPE(4), noise, true));
  ig_graph_output(g, "wide", op(g, "Relu", wide)); /* a broadcast sum is not a residual */
  pass(g, "fuse_batch_norm", &training);
  assert_int_equal(run_count(g, "BatchNormalization"), 2);
  assert_int_equal(run_count(g, "Relu"), 2);
  ig_graph_destroy(g);
}

/* --- fuse_gather_grad ------------------------------------------------------------------------ */

static void fuse_gather_grad(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *ids = ig_graph_input(g, "x", IG_I64, IG_SHAPE(4, 3));
  ig_value *table = ig_graph_param(g, "table", IG_F32, IG_SHAPE(10, 8), noise, true);
  ig_value *h = op2(g, "Gather", table, ids);
  ig_value *head = ig_op1(g, "ReduceSum", NULL, IG_INS(op(g, "Tanh", table)), IG_NO_ATTRS);
  ig_graph_output(g, "y", op2(g, "Mul", h, head));
  ig_graph *plain = with_gradients(g, NULL), *fused = with_gradients(g, NULL);
  pass(fused, "fuse_gather_grad", &training);
  int sums = run_count(plain, "Add");
  assert_int_equal(run_count(fused, "Add"), sums - 1);
  assert_int_equal(run_count(fused, "ingot.GatherGrad"), 1);
  int64_t n, m;
  double *want = run_graph(&env, plain, false, 10, 1, &n);
  double *got = run_graph(&env, fused, false, 10, 1, &m);
  assert_int_equal(n, 80);
  assert_true(run_difference(got, want, n) < 1e-6);
  free(want);
  free(got);
  ig_graph_destroy(plain);
  ig_graph_destroy(fused);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* --- fuse_bias_activation -------------------------------------------------------------------- */

static const struct {
  const char *op;
  int attr; /* which attribute list below */
  bool by_result;
} activations[] = {{"Relu", 0, true},       {"Tanh", 0, true},  {"Sigmoid", 0, true},
                   {"LeakyRelu", 1, false}, {"Gelu", 0, false}, {"Gelu", 2, false},
                   {"HardSwish", 0, false}, {"Swish", 0, false}};

static ig_value *activate(ig_graph *g, int which, ig_value *x) {
  const ig_attr attrs[] = {{0}, IG_FLOAT("alpha", 0.2f), IG_STRING("approximate", "tanh")};
  int attr = activations[which].attr;
  return ig_op1(g, activations[which].op, NULL, IG_INS(x), attr > 0, &attrs[attr]);
}

/* act(x w + b) by MatMul and Add (on either side), or by Gemm with a transposed weight. */
static ig_graph *linear_graph(int which, bool gemm) {
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(6, 20));
  ig_value *w =
      ig_graph_param(g, "w", IG_F32, gemm ? IG_SHAPE(12, 20) : IG_SHAPE(20, 12), noise, true);
  ig_value *b = ig_graph_param(g, "b", IG_F32, IG_SHAPE(12), noise, false);
  ig_value *y = gemm ? ig_op1(g, "Gemm", NULL, IG_INS(x, w, b), IG_ATTRS(IG_INT("transB", 1)))
                     : op2(g, "Add", which % 2 ? b : op2(g, "MatMul", x, w),
                           which % 2 ? op2(g, "MatMul", x, w) : b);
  ig_graph_output(g, "y", activate(g, which, y));
  return g;
}

static void fuse_bias_activation(void **state) {
  (void)state;
  for (int which = 0; which < (int)(sizeof activations / sizeof activations[0]); which++) {
    for (int gemm = 0; gemm < 2; gemm++) {
      run_env env = run_env_open();
      ig_graph *g = linear_graph(which, gemm);
      ig_graph *after = same_numbers(&env, g, "fuse_bias_activation", &inference, 1e-5);
      assert_int_equal(after->n_nodes, 1);
      assert_int_equal(run_count(after, "ingot.FusedMatMul"), 1);
      ig_graph_destroy(after);
      after = same_numbers(&env, g, "fuse_bias_activation", &training, 1e-5);
      assert_int_equal(run_count(after, activations[which].op), !activations[which].by_result);
      ig_graph_destroy(after);
      same_gradients(&env, g, "fuse_bias_activation", 1e-5);
      ig_graph_destroy(g);
      run_env_close(&env);
    }
  }
}

static void fuse_clip(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(6, 20));
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(20, 12), noise, true);
  ig_value *y =
      ig_op1(g, "Clip", NULL, IG_INS(op2(g, "MatMul", x, w), NULL, ig_graph_const_f32(g, 0.25f)),
             IG_NO_ATTRS);
  ig_graph_output(g, "y", y);
  ig_graph *after = same_numbers(&env, g, "fuse_bias_activation", &inference, 1e-5);
  assert_int_equal(after->n_nodes, 1);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* Conv, a channel bias or the shortcut of a residual block, and Relu, as one node. */
static ig_graph *conv_graph(void) {
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 6, 5));
  ig_value *channel = ig_graph_param(g, "channel", IG_F32, IG_SHAPE(8, 1, 1), noise, false);
  ig_value *h = op(g, "Relu", op2(g, "Add", conv(g, "w1", x, false), channel));
  ig_value *y = op(g, "Tanh", conv(g, "w2", h, true));
  y = op(g, "Relu", op2(g, "Add", h, conv(g, "w3", y, true)));
  ig_graph_output(g, "y", op(g, "HardSwish", conv(g, "w4", y, false)));
  return g;
}

static void fuse_conv(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = conv_graph();
  ig_graph *after = same_numbers(&env, g, "fuse_bias_activation", &inference, 1e-4);
  assert_int_equal(run_count(after, "ingot.FusedConv"), 4);
  assert_int_equal(after->n_nodes, 5); /* and the channel bias as a vector */
  ig_graph_destroy(after);
  after = same_numbers(&env, g, "fuse_bias_activation", &training, 1e-4);
  assert_int_equal(run_count(after, "ingot.FusedConv"), 3);
  assert_int_equal(run_count(after, "HardSwish"), 1);
  ig_graph_destroy(after);
  same_gradients(&env, g, "fuse_bias_activation", 1e-4);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* The product is read elsewhere; what is added is no bias; beta is not 1. */
static void fuse_bias_activation_declines(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(6, 20));
  ig_value *w = ig_graph_param(g, "w", IG_F32, IG_SHAPE(20, 12), noise, true);
  ig_value *column = ig_graph_param(g, "column", IG_F32, IG_SHAPE(6, 1), noise, false);
  ig_value *b = ig_graph_param(g, "b", IG_F32, IG_SHAPE(12), noise, false);
  ig_value *read_twice = op2(g, "MatMul", x, w);
  ig_graph_output(g, "a", op2(g, "Add", read_twice, b));
  ig_graph_output(g, "b", op(g, "Relu", read_twice));
  ig_graph_output(g, "c", op2(g, "Add", op2(g, "MatMul", x, w), column));
  ig_value *half = ig_op1(g, "Gemm", NULL, IG_INS(x, w, b), IG_ATTRS(IG_FLOAT("beta", 0.5f)));
  ig_graph_output(g, "d", op(g, "Relu", half));
  pass(g, "fuse_bias_activation", &inference);
  assert_int_equal(run_count(g, "ingot.FusedMatMul"), 0);
  ig_graph_destroy(g);
}

/* --- fuse_conv_bn ---------------------------------------------------------------------------- */

static void fuse_conv_bn(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 6, 5));
  ig_value *h = op(g, "Relu", batch_norm(g, "bn1", conv(g, "w1", x, true)));
  ig_value *shared = conv(g, "w2", h, false); /* read twice: cannot change */
  h = op2(g, "Add", batch_norm(g, "bn2", shared), shared);
  ig_graph_output(g, "y", batch_norm(g, "bn3", conv(g, "w3", h, false)));
  ig_graph *after = same_numbers(&env, g, "fuse_conv_bn", &inference, 1e-4);
  assert_int_equal(run_count(after, "BatchNormalization"), 1);
  assert_int_equal(run_count(after, "Conv"), 3);
  ig_graph_destroy(after);
  after = copy(g);
  pass(after, "fuse_conv_bn", &training);
  assert_int_equal(run_count(after, "BatchNormalization"), 3);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* The whole pipeline leaves one operator a convolution, and the arithmetic on the weights is done
 * when the plan is made. */
static void inference_pipeline(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 8, 6, 5));
  ig_value *h = op(g, "Relu", batch_norm(g, "bn1", conv(g, "w1", x, false)));
  h = op2(g, "Dropout", h, ig_graph_const_f32(g, 0.5f));
  h = op2(g, "Add", batch_norm(g, "bn2", conv(g, "w2", h, false)), x);
  ig_graph_output(g, "y", op(g, "Relu", h));
  ig_graph *after = copy(g);
  GOOD(ig_store_add_graph(env.store, after, 3));
  run_env_shake(&env);
  int64_t n;
  double *want = run_graph(&env, after, true, 1, 0, &n);
  GOOD(ig_passes_run(after, ig_pipeline_inference, &inference));
  double *got = run_graph(&env, after, true, 1, 0, &n);
  assert_true(run_difference(got, want, n) < 1e-4);
  ig_plan *plan;
  GOOD(ig_plan_create(after, env.backend, env.store, &(ig_plan_options){.frozen_params = true},
                      &plan));
  int each_run = 0;
  for (int i = 0; i < ig_plan_step_count(plan); i++) {
    ig_plan_step step = ig_plan_step_at(plan, i);
    if (!step.fixed && step.impl) each_run++;
  }
  assert_int_equal(each_run, run_count(after, "ingot.FusedConv"));
  assert_int_equal(each_run, 2);
  ig_plan_destroy(plan);
  free(want);
  free(got);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fuse_add_layernorm),
      cmocka_unit_test(fuse_add_layernorm_declines),
      cmocka_unit_test(fuse_batch_norm),
      cmocka_unit_test(fuse_batch_norm_declines),
      cmocka_unit_test(fuse_gather_grad),
      cmocka_unit_test(fuse_bias_activation),
      cmocka_unit_test(fuse_clip),
      cmocka_unit_test(fuse_conv),
      cmocka_unit_test(fuse_bias_activation_declines),
      cmocka_unit_test(fuse_conv_bn),
      cmocka_unit_test(inference_pipeline),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
