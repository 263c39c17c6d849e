/* Passes as graph tests: what the graph looks like before and after, and that a plan of either gives
 * the same numbers. */
#include "graph_run.h"

#include <math.h>

#include "engine/autodiff.h"
#include "engine/passes/pass.h"

static const ig_pass_options inference = {.device = IG_CPU, .compute = IG_F32};
static const ig_pass_options training = {.device = IG_CPU, .training = true, .compute = IG_F32};

static const ig_init noise = {.kind = IG_INIT_NORMAL, .value = 0.5f};

static ig_graph *fresh(void) {
  ig_graph *g;
  GOOD(ig_graph_create("test", &g));
  return g;
}

static ig_value *op2(ig_graph *g, const char *op, ig_value *a, ig_value *b) {
  return ig_op1(g, op, NULL, IG_INS(a, b), IG_NO_ATTRS);
}

static ig_value *op(ig_graph *g, const char *name, ig_value *a) {
  return ig_op1(g, name, NULL, IG_INS(a), IG_NO_ATTRS);
}

static void pass(ig_graph *g, const char *name, const ig_pass_options *options) {
  GOOD(ig_graph_status(g));
  GOOD(ig_passes_run(g, (const char *const[]){name, NULL}, options));
  GOOD(ig_graph_verify(g));
}

static ig_graph *copy(const ig_graph *g) {
  ig_graph *other;
  GOOD(ig_graph_status(g));
  GOOD(ig_graph_specialize(g, NULL, &other));
  return other;
}

/* Runs `g` as it is and after the pass; every output must agree within `tolerance`. Returns the
 * changed graph. */
static ig_graph *same_numbers(run_env *env, const ig_graph *g, const char *name,
                              const ig_pass_options *options, double tolerance) {
  ig_graph *before = copy(g), *after = copy(g);
  pass(after, name, options);
  GOOD(ig_store_add_graph(env->store, before, 3));
  run_env_shake(env);
  for (int32_t i = 0; i < before->n_outputs; i++) {
    int64_t n, m;
    double *want = run_graph(env, before, false, 10, i, &n);
    double *got = run_graph(env, after, !options->training, 10, i, &m);
    assert_int_equal(n, m);
    double difference = run_difference(got, want, n);
    if (!(difference <= tolerance)) fail_msg("output %d differs by %g", i, difference);
    free(want);
    free(got);
  }
  ig_graph_destroy(before);
  return after;
}

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

/* --- fuse_add_layernorm ---------------------------------------------------------------------- */

/* Gradients of mean(y^2) with respect to all PARAMs, as outputs. */
static ig_graph *with_gradients(const ig_graph *g, const char *name) {
  ig_graph *made = copy(g);
  if (name) pass(made, name, &training);
  ig_value *square = op2(made, "Mul", made->outputs[0], made->outputs[0]);
  ig_value *loss =
      ig_op1(made, "ReduceMean", NULL, IG_INS(square), IG_ATTRS(IG_INT("keepdims", 0)));
  ig_value *params[16], *grads[16];
  int n = 0;
  for (int32_t i = 0; i < made->n_values; i++) {
    if (made->values[i]->kind == IG_VALUE_PARAM) params[n++] = made->values[i];
  }
  GOOD(ig_graph_status(made));
  GOOD(ig_autodiff(made, loss, NULL, n, params, grads));
  for (int i = 0; i < n; i++) {
    assert_non_null(grads[i]);
    ig_graph_output(made, params[i]->name, grads[i]);
  }
  GOOD(ig_graph_status(made));
  GOOD(ig_graph_sort(made));
  return made;
}

static void same_gradients(run_env *env, const ig_graph *g, const char *name, double tolerance) {
  ig_graph *plain = with_gradients(g, NULL), *changed = with_gradients(g, name);
  GOOD(ig_store_add_graph(env->store, plain, 3));
  run_env_shake(env);
  assert_int_equal(plain->n_outputs, changed->n_outputs);
  assert_true(plain->n_outputs > 1);
  for (int32_t i = 1; i < plain->n_outputs; i++) {
    int64_t n, m;
    double *want = run_graph(env, plain, false, 10, i, &n);
    double *got = run_graph(env, changed, false, 10, i, &m);
    assert_string_equal(plain->output_names[i], changed->output_names[i]);
    assert_int_equal(n, m);
    double difference = run_difference(got, want, n);
    if (!(difference <= tolerance)) {
      fail_msg("gradient of %s differs by %g", plain->output_names[i], difference);
    }
    free(want);
    free(got);
  }
  ig_graph_destroy(plain);
  ig_graph_destroy(changed);
}

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

static ig_value *batch_norm(ig_graph *g, const char *name, ig_value *x) {
  char text[4][32];
  static const char *const parts[] = {"scale", "bias", "mean", "var"};
  for (int i = 0; i < 4; i++) snprintf(text[i], sizeof text[i], "%s.%s", name, parts[i]);
  ig_shape channels = IG_SHAPE(x->shape.dims[1]);
  return ig_op1(g, "BatchNormalization", name,
                IG_INS(x, ig_graph_param(g, text[0], IG_F32, channels, noise, false),
                       ig_graph_param(g, text[1], IG_F32, channels, noise, false),
                       ig_graph_state(g, text[2], IG_F32, channels, noise),
                       ig_graph_state(g, text[3], IG_F32, channels, noise)),
                IG_NO_ATTRS);
}

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
                   {"HardSwish", 0, false}};

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
static ig_value *conv(ig_graph *g, const char *name, ig_value *x, bool bias) {
  ig_value *in[] = {
      x, ig_graph_param(g, name, IG_F32, IG_SHAPE(8, x->shape.dims[1], 3, 3), noise, true),
      bias ? ig_graph_param(g, NULL, IG_F32, IG_SHAPE(8), noise, false) : NULL};
  int64_t pads[] = {1, 1, 1, 1};
  return ig_op1(g, "Conv", NULL, bias ? 3 : 2, in, IG_ATTRS(IG_INTS("pads", 4, pads)));
}

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
      cmocka_unit_test(fuse_add_layernorm),
      cmocka_unit_test(fuse_add_layernorm_declines),
      cmocka_unit_test(fuse_batch_norm),
      cmocka_unit_test(fuse_batch_norm_declines),
      cmocka_unit_test(fuse_gather_grad),
      cmocka_unit_test(fuse_bias_activation),
      cmocka_unit_test(fuse_clip),
      cmocka_unit_test(fuse_conv),
      cmocka_unit_test(fuse_bias_activation_declines),
      cmocka_unit_test(mixed_precision),
      cmocka_unit_test(unknown_pass),
      cmocka_unit_test(pipelines_name_passes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
