/* Passes that clean up or change the mode, as graph tests: what the graph looks like before and after,
 * and that a plan of either gives the same numbers. */
#include "pass_checks.h"

#include <math.h>

/* --- dce ------------------------------------------------------------------------------------- */

static void dce(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(3, 4));
  ig_value *kept = op(g, "Relu", x);
  ig_value *lost = op(g, "Exp", op(g, "Tanh", kept));
  op2(g, "Add", lost, x);
  ig_value *memory = ig_graph_state(g, "memory", IG_F32, IG_SHAPE(3, 4), noise);
  ig_graph_assign(g, memory, op(g, "Neg", memory)); /* an assignment is a use */
  ig_graph_output(g, "y", kept);
  pass(g, "dce", &inference);
  assert_int_equal(g->n_nodes, 2);
  assert_int_equal(run_count(g, "Relu"), 1);
  assert_int_equal(run_count(g, "Neg"), 1);
  ig_graph_destroy(g);
}

/* --- cse ------------------------------------------------------------------------------------- */

static void cse(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(3, 4));
  ig_value *a = op(g, "Exp", op2(g, "Mul", x, ig_graph_const_f32(g, 0.5f)));
  ig_value *b = op(g, "Exp", op2(g, "Mul", x, ig_graph_const_f32(g, 0.5f)));
  ig_value *c = op(g, "Exp", op2(g, "Mul", x, ig_graph_const_f32(g, 0.25f)));
  ig_value *leaky1 = ig_op1(g, "LeakyRelu", NULL, IG_INS(x), IG_ATTRS(IG_FLOAT("alpha", 0.1f)));
  ig_value *leaky2 = ig_op1(g, "LeakyRelu", NULL, IG_INS(x), IG_ATTRS(IG_FLOAT("alpha", 0.2f)));
  ig_value *sum =
      op2(g, "Add", op2(g, "Add", a, b), op2(g, "Add", c, op2(g, "Add", leaky1, leaky2)));
  ig_graph_output(g, "y", sum);
  ig_graph_output(g, "twin1", op(g, "Tanh", x)); /* outputs are buffers of their own */
  ig_graph_output(g, "twin2", op(g, "Tanh", x));
  ig_graph *after = same_numbers(&env, g, "cse", &inference, 0);
  assert_int_equal(run_count(after, "Exp"), 2);
  assert_int_equal(run_count(after, "Mul"), 2);
  assert_int_equal(run_count(after, "LeakyRelu"), 2);
  assert_int_equal(run_count(after, "Tanh"), 2);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void cse_keeps_random(void **state) {
  (void)state;
  ig_graph *g = fresh();
  uint8_t yes = 1;
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(3, 4));
  ig_value *ratio = ig_graph_const_f32(g, 0.5f),
           *on = ig_graph_const(g, NULL, IG_BOOL, IG_SCALAR, &yes);
  ig_value *a = ig_op1(g, "Dropout", NULL, IG_INS(x, ratio, on), IG_NO_ATTRS);
  ig_value *b = ig_op1(g, "Dropout", NULL, IG_INS(x, ratio, on), IG_NO_ATTRS);
  ig_graph_output(g, "y", op2(g, "Sub", a, b));
  pass(g, "cse", &training);
  assert_int_equal(run_count(g, "Dropout"), 2);
  ig_graph_destroy(g);
}

/* --- fold ------------------------------------------------------------------------------------ */

static void fold(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3));
  float numbers[] = {1, 2, 3};
  ig_value *c = ig_graph_const(g, NULL, IG_F32, IG_SHAPE(3), numbers);
  ig_value *known = op(g, "Sqrt", op2(g, "Mul", c, ig_graph_const_f32(g, 4)));
  ig_value *weight = ig_graph_param(g, "w", IG_F32, IG_SHAPE(3), noise, true);
  ig_graph_output(g, "y", op2(g, "Add", op2(g, "Mul", x, known), op(g, "Neg", weight)));
  ig_value *memory = ig_graph_state(g, "memory", IG_F32, IG_SHAPE(3), noise);
  ig_graph_assign(g, memory, op(g, "Neg", c)); /* needs a buffer of its own */
  ig_graph *after = same_numbers(&env, g, "fold", &inference, 1e-6);
  assert_int_equal(run_count(after, "Sqrt"), 0);
  assert_int_equal(run_count(after, "Mul"), 1);
  assert_int_equal(run_count(after, "Neg"), 2);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

static void fold_is_bounded(void **state) {
  (void)state;
  ig_graph *g = fresh();
  int64_t large[] = {1024, 1025};
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(1024, 1025));
  ig_value *full = op2(g, "Expand", ig_graph_const_f32(g, 2), ig_graph_const_i64s(g, 2, large));
  ig_graph_output(g, "y", op2(g, "Add", x, full));
  pass(g, "fold", &inference);
  assert_int_equal(run_count(g, "Expand"), 1); /* over 4 MiB from 4 bytes */
  ig_graph_destroy(g);
  g = fresh();
  float *numbers = calloc(1024 * 1025, sizeof *numbers);
  assert_non_null(numbers);
  ig_literal literal = {.dtype = IG_F32, .shape = IG_SHAPE(1024, 1025), .data = numbers};
  ig_attr value = {.name = "value", .type = IG_ATTR_TENSOR, .tensor = &literal};
  x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(1024, 1025));
  full = ig_op1(g, "Constant", NULL, 0, NULL, 1, &value);
  ig_graph_output(g, "y", op2(g, "Add", x, full));
  pass(g, "fold", &inference);
  assert_int_equal(run_count(g, "Constant"), 0); /* the graph has its bytes already */
  ig_graph_destroy(g);
  free(numbers);
}

/* --- simplify -------------------------------------------------------------------------------- */

static ig_value *transpose(ig_graph *g, ig_value *x, int64_t a, int64_t b, int64_t c) {
  int64_t perm[] = {a, b, c};
  return ig_op1(g, "Transpose", NULL, IG_INS(x), IG_ATTRS(IG_INTS("perm", 3, perm)));
}

static void simplify(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 4));
  ig_value *h = op(g, "Tanh", op(g, "Identity", x));
  h = ig_op1(g, "Cast", NULL, IG_INS(h), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
  h = op2(g, "Dropout", h, ig_graph_const_f32(g, 0.5f));
  h = op2(g, "Add", h, ig_graph_const_f32(g, 0));
  h = op2(g, "Mul", ig_graph_const_f32(g, 1), h);
  h = op2(g, "Sub", ig_graph_const_f32(g, 0), h); /* not neutral on the left */
  int64_t shape[] = {2, 3, 4};
  h = op2(g, "Reshape", h, ig_graph_const_i64s(g, 3, shape));
  ig_value *there = transpose(g, h, 2, 0, 1), *back = transpose(g, there, 1, 2, 0);
  ig_graph_output(g, "y", op(g, "Relu", back));
  ig_graph_output(g, "z", transpose(g, there, 2, 1, 0)); /* joins to one */
  ig_graph *after = same_numbers(&env, g, "simplify", &inference, 0);
  pass(after, "dce", &inference);
  assert_int_equal(run_count(after, "Identity"), 0);
  assert_int_equal(run_count(after, "Cast"), 0);
  assert_int_equal(run_count(after, "Dropout"), 0);
  assert_int_equal(run_count(after, "Add"), 0);
  assert_int_equal(run_count(after, "Mul"), 0);
  assert_int_equal(run_count(after, "Sub"), 1);
  assert_int_equal(run_count(after, "Reshape"), 0);
  assert_int_equal(run_count(after, "Transpose"), 1);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* A broadcast with a neutral element still changes the shape, and an output needs its own buffer. */
static void simplify_keeps(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  float zeros[6] = {0};
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(1, 3));
  ig_value *wide = op2(g, "Add", x, ig_graph_const(g, NULL, IG_F32, IG_SHAPE(2, 3), zeros));
  ig_graph_output(g, "wide", op(g, "Exp", wide));
  ig_graph_output(g, "same", op(g, "Identity", x));
  ig_graph *after = same_numbers(&env, g, "simplify", &inference, 0);
  assert_int_equal(run_count(after, "Add"), 1);
  assert_int_equal(run_count(after, "Identity"), 1);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* --- train_mode ------------------------------------------------------------------------------ */

static void train_mode_dropout(void **state) {
  (void)state;
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(64, 64));
  ig_value *one =
      op2(g, "Add", op2(g, "Mul", x, ig_graph_const_f32(g, 0)), ig_graph_const_f32(g, 1));
  ig_graph_output(g, "y", op2(g, "Dropout", one, ig_graph_const_f32(g, 0.25f)));
  ig_graph_output(g, "off", op2(g, "Dropout", op(g, "Relu", one), ig_graph_const_f32(g, 0)));
  pass(g, "train_mode", &inference);
  assert_int_equal(g->nodes[2]->n_inputs, 2); /* nothing happens outside training */
  pass(g, "train_mode", &training);
  int64_t n, zeros = 0;
  double *y = run_graph(&env, g, false, 1, 0, &n);
  for (int64_t i = 0; i < n; i++) {
    zeros += y[i] == 0;
    assert_true(y[i] == 0 || fabs(y[i] - 1 / 0.75) < 1e-6);
  }
  /* 4,096 draws of rate 1/4: five standard deviations are 139. */
  assert_true(zeros > 1024 - 139 && zeros < 1024 + 139);
  free(y);
  y = run_graph(&env, g, false, 1, 1, &n);
  for (int64_t i = 0; i < n; i++) assert_true(y[i] == 1);
  free(y);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* Output and running statistics against sums in double over the batch. */
static void train_mode_batch_norm(void **state) {
  (void)state;
  enum { N = 6, C = 3, AREA = 20 };
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(N, C, 4, 5));
  ig_graph_output(g, "y", batch_norm(g, "bn", x));
  GOOD(ig_store_add_graph(env.store, g, 3));
  run_env_shake(&env);
  pass(g, "train_mode", &training);
  assert_int_equal(g->n_assigns, 2);
  assert_int_equal(g->n_nodes, 1);
  ig_store_entry *mean = ig_store_find(env.store, "bn.running_mean");
  ig_store_entry *variance = ig_store_find(env.store, "bn.running_var");
  const float *scale = ig_store_find(env.store, "bn.weight")->data;
  const float *bias = ig_store_find(env.store, "bn.bias")->data;
  double old_mean[C], old_variance[C];
  for (int c = 0; c < C; c++) {
    old_mean[c] = ((float *)mean->data)[c];
    old_variance[c] = ((float *)variance->data)[c];
  }
  float *in = run_input(g->inputs[0], 1);
  int64_t n;
  double *y = run_graph(&env, g, false, 1, 0, &n);
  for (int c = 0; c < C; c++) {
    double sum = 0, squares = 0;
    for (int i = 0; i < N * AREA; i++) sum += in[(i / AREA * C + c) * AREA + i % AREA];
    double m = sum / (N * AREA);
    for (int i = 0; i < N * AREA; i++)
      squares += pow(in[(i / AREA * C + c) * AREA + i % AREA] - m, 2);
    double v = squares / (N * AREA);
    for (int i = 0; i < N * AREA; i++) {
      int at = (i / AREA * C + c) * AREA + i % AREA;
      double want = (in[at] - m) / sqrt(v + 1e-3) * (double)scale[c] + (double)bias[c];
      assert_true(fabs(y[at] - want) < 1e-5);
    }
    assert_true(fabs(((float *)mean->data)[c] - (0.75 * old_mean[c] + 0.25 * m)) < 1e-6);
    assert_true(fabs(((float *)variance->data)[c] - (0.75 * old_variance[c] + 0.25 * v)) < 1e-6);
  }
  free(in);
  free(y);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* Statistics that are constants (a frozen model's) stay in inference form. */
static void train_mode_keeps_frozen(void **state) {
  (void)state;
  ig_graph *g = fresh();
  float ones[3] = {1, 1, 1};
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 4, 5));
  ig_value *c = ig_graph_const(g, NULL, IG_F32, IG_SHAPE(3), ones);
  ig_graph_output(g, "y",
                  ig_op1(g, "BatchNormalization", NULL, IG_INS(x, c, c, c, c), IG_NO_ATTRS));
  pass(g, "train_mode", &training);
  assert_int_equal(g->n_assigns, 0);
  ig_graph_destroy(g);
}

/* --- mixed_precision ------------------------------------------------------------------------- */

static ig_graph *mixed_graph(void) {
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(8, 32));
  ig_value *w1 = ig_graph_param(g, "w1", IG_F32, IG_SHAPE(32, 64), noise, true);
  ig_value *b1 = ig_graph_param(g, "b1", IG_F32, IG_SHAPE(64), noise, false);
  ig_value *w2 = ig_graph_param(g, "w2", IG_F32, IG_SHAPE(64, 32), noise, true);
  ig_value *scale = ig_graph_param(g, "scale", IG_F32, IG_SHAPE(32), noise, false);
  ig_value *h =
      ig_op1(g, "Relu", NULL, IG_INS(ig_op1(g, "Gemm", NULL, IG_INS(x, w1, b1), IG_NO_ATTRS)),
             IG_NO_ATTRS);
  h = op2(g, "MatMul", h, w2);
  h = op2(g, "LayerNormalization", op2(g, "Add", h, x), scale);
  ig_graph_output(g, "y", op2(g, "MatMul", h, op(g, "Tanh", w1)));
  return g;
}

/* bf16 keeps 8 bits: three products in a row stay within a few hundredths of the f32 result. */
static void mixed_precision(void **state) {
  (void)state;
  const ig_pass_options bf16 = {.device = IG_CPU, .training = true, .compute = IG_BF16};
  run_env env = run_env_open();
  ig_graph *g = mixed_graph();
  ig_graph *after = same_numbers(&env, g, "mixed_precision", &bf16, 0.1);
  if (run_count(after, "Cast") == 0) {
    print_message("skipped: no product in bf16 on this processor\n");
    skip();
  }
  for (int32_t i = 0; i < after->n_values; i++) {
    const ig_value *v = after->values[i];
    if (v->kind == IG_VALUE_PARAM) assert_int_equal(v->dtype, IG_F32);
  }
  assert_int_equal(after->outputs[0]->dtype, IG_F32);
  for (int32_t i = 0; i < after->n_nodes; i++) {
    const ig_node *node = after->nodes[i];
    const char *name = node->op->name;
    bool low = strcmp(name, "Gemm") == 0 || strcmp(name, "MatMul") == 0;
    bool high = strcmp(name, "LayerNormalization") == 0 || strcmp(name, "Tanh") == 0;
    if (low) assert_int_equal(node->outputs[0]->dtype, IG_BF16);
    if (high) assert_int_equal(node->outputs[0]->dtype, IG_F32);
  }
  ig_graph_destroy(after);
  after = same_numbers(&env, g, "mixed_precision", &training, 0); /* f32 asked for: nothing to do */
  assert_int_equal(run_count(after, "Cast"), 0);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* --- group_updates --------------------------------------------------------------------------- */

static ig_value *momentum_step(ig_graph *g, const char *name, ig_shape shape, ig_value *lr,
                               ig_value *step, ig_value *scale, float momentum) {
  ig_value *param = ig_graph_param(g, name, IG_F32, shape, noise, true);
  ig_value *moment = ig_graph_state(g, NULL, IG_F32, shape, noise);
  ig_value *grad = op(g, "Tanh", param);
  ig_value *in[] = {lr, step, scale, param, grad, moment};
  ig_node *update = ig_graph_node(g, "ingot.SGD", NULL, 6, in,
                                  IG_ATTRS(IG_FLOAT("momentum", momentum)), 2);
  assert_non_null(update);
  ig_graph_output(g, name, update->outputs[0]);
  ig_graph_output(g, NULL, update->outputs[1]);
  return update->outputs[0];
}

/* Three alike of five: one has other attributes, one is large and has a scale of its own. */
static void group_updates(void **state) {
  (void)state;
  const ig_pass_options device = {.device = IG_CUDA, .training = true, .compute = IG_F32};
  run_env env = run_env_open();
  ig_graph *g = fresh();
  ig_value *lr = ig_graph_const_f32(g, 0.125f), *step = ig_graph_const_f32(g, 3.0f);
  ig_value *scale = ig_graph_const_f32(g, 0.5f), *other = ig_graph_const_f32(g, 0.25f);
  momentum_step(g, "a", IG_SHAPE(3, 4), lr, step, scale, 0.75f);
  momentum_step(g, "b", IG_SHAPE(5), lr, step, NULL, 0.75f);
  momentum_step(g, "c", IG_SHAPE(6), lr, step, scale, 0.5f);
  momentum_step(g, "large", IG_SHAPE(520, 520), lr, step, other, 0.75f);
  ig_value *last = momentum_step(g, "d", IG_SHAPE(7), lr, step, scale, 0.75f);
  ig_graph_output(g, "average", op(g, "Neg", last)); /* a reader of the new value */
  ig_graph *after = same_numbers(&env, g, "group_updates", &device, 0);
  assert_int_equal(run_count(after, "ingot.MultiUpdate"), 1);
  assert_int_equal(run_count(after, "ingot.SGD"), 2);
  ig_graph_destroy(after);
  after = same_numbers(&env, g, "group_updates", &training, 0); /* nothing on the CPU */
  assert_int_equal(run_count(after, "ingot.SGD"), 5);
  ig_graph_destroy(after);
  ig_graph_assign(g, ig_graph_find_value(g, "d"), last);
  pass(g, "group_updates", &device);
  assert_string_equal(g->assigns[0].source->producer->op->name, "ingot.MultiUpdate");
  assert_int_equal(g->assigns[0].source->output, 4);
  ig_graph_destroy(g);
  run_env_close(&env);
}

/* An update and the average of what it makes; other readers of the average are none of its business. */
static void averaged_step(ig_graph *g, const char *name, ig_shape shape, ig_value *lr,
                          ig_value *step, ig_value *scale, float decay) {
  ig_value *average = ig_graph_state(g, NULL, IG_F32, shape, noise);
  ig_value *fresh_value = momentum_step(g, name, shape, lr, step, scale, 0.75f);
  ig_value *next = ig_op1(g, "ingot.Ema", NULL, IG_INS(step, fresh_value, average),
                          IG_ATTRS(IG_FLOAT("decay", decay)));
  ig_graph_output(g, NULL, next);
}

/* Averages go into their parameters' node: of two alike, of one alone because it decays otherwise, and of a
 * large one, which is a group of its own. One that is read stays. */
static void group_averages(void **state) {
  (void)state;
  const ig_pass_options device = {.device = IG_CUDA, .training = true, .compute = IG_F32};
  for (int first = 0; first < 2; first++) {
    run_env env = run_env_open();
    ig_graph *g = fresh();
    ig_value *lr = ig_graph_const_f32(g, 0.125f), *step = ig_graph_const_f32(g, first ? 1 : 3);
    ig_value *other = ig_graph_const_f32(g, 0.25f);
    averaged_step(g, "a", IG_SHAPE(3, 4), lr, step, NULL, 0.9f);
    averaged_step(g, "b", IG_SHAPE(5), lr, step, NULL, 0.9f);
    averaged_step(g, "c", IG_SHAPE(6), lr, step, NULL, 0.8f);
    averaged_step(g, "large", IG_SHAPE(520, 520), lr, step, other, 0.9f);
    averaged_step(g, "read", IG_SHAPE(7), lr, step, NULL, 0.9f);
    ig_graph_output(g, "reader", op(g, "Neg", g->outputs[g->n_outputs - 1]));
    ig_graph *after = same_numbers(&env, g, "group_updates", &device, 0);
    assert_int_equal(run_count(after, "ingot.MultiUpdate"), 3);
    assert_int_equal(run_count(after, "ingot.SGD"), 1);
    assert_int_equal(run_count(after, "ingot.Ema"), 1);
    ig_graph_destroy(after);
    ig_graph_destroy(g);
    run_env_close(&env);
  }
}

/* --- the runner ------------------------------------------------------------------------------ */

static void unknown_pass(void **state) {
  (void)state;
  ig_graph *g = fresh();
  assert_int_equal(ig_passes_run(g, (const char *const[]){"fodl", NULL}, &inference),
                   IG_ERR_INTERNAL);
  assert_non_null(strstr(ig_last_error(), "fodl"));
  ig_graph_destroy(g);
}

static void pipelines_name_passes(void **state) {
  (void)state;
  const char *const *const pipelines[] = {ig_pipeline_inference, ig_pipeline_forward,
                                          ig_pipeline_training};
  for (int i = 0; i < 3; i++) {
    for (const char *const *name = pipelines[i]; *name; name++)
      assert_non_null(ig_pass_find(*name));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(dce),
      cmocka_unit_test(cse),
      cmocka_unit_test(cse_keeps_random),
      cmocka_unit_test(fold),
      cmocka_unit_test(fold_is_bounded),
      cmocka_unit_test(simplify),
      cmocka_unit_test(simplify_keeps),
      cmocka_unit_test(train_mode_dropout),
      cmocka_unit_test(train_mode_batch_norm),
      cmocka_unit_test(train_mode_keeps_frozen),
      cmocka_unit_test(mixed_precision),
      cmocka_unit_test(group_updates),
      cmocka_unit_test(group_averages),
      cmocka_unit_test(unknown_pass),
      cmocka_unit_test(pipelines_name_passes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
