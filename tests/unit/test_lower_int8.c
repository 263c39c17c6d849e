/* Graphs with QuantizeLinear and DequantizeLinear through the passes that make integer operators of them:
 * which nodes are left, in which types, and that the numbers are those of the graph as it was, computed in
 * f32, up to one code. Needs a processor that multiplies bytes without saturating. */
#include <math.h>

#include "pass_checks.h"

#include "engine/passes/rewrite.h"
#include "kernels/lib/onednn.h"

static const char *const lowering[] = {"fuse_bias_activation", "lower_int8_moves", "lower_int8",
                                       "lower_int8_between",   "layout",           "cse",
                                       "dce",                  NULL};

static bool able(void) {
  if (ig_dnn_quantizes()) return true;
  print_message("skipped: this processor (or ONEDNN_MAX_CPU_ISA) has no products of bytes that do "
                "not saturate\n");
  return false;
}

/* --- pieces of graphs ------------------------------------------------------------------------- */

static ig_value *scale_of(ig_graph *g, float scale) { return ig_graph_const_f32(g, scale); }

static ig_value *zero_of(ig_graph *g, ig_dtype dtype, int zero) {
  uint8_t byte = (uint8_t)zero;
  return ig_graph_const(g, NULL, dtype, IG_SCALAR, &byte);
}

static ig_value *encode(ig_graph *g, ig_value *x, ig_dtype dtype, float scale, int zero) {
  return ig_op1(g, "QuantizeLinear", NULL, IG_INS(x, scale_of(g, scale), zero_of(g, dtype, zero)),
                IG_NO_ATTRS);
}

static ig_value *decode(ig_graph *g, ig_value *x, float scale, int zero) {
  return ig_op1(g, "DequantizeLinear", NULL,
                IG_INS(x, scale_of(g, scale), zero_of(g, x->dtype, zero)), IG_NO_ATTRS);
}

/* u8 around 128 and back. */
static ig_value *pair(ig_graph *g, ig_value *x, float scale) {
  return decode(g, encode(g, x, IG_U8, scale, 128), scale, 128);
}

static uint32_t next_number(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

/* i8 weights behind a DequantizeLinear with a scale for each place along `axis`. */
static ig_value *weights(ig_graph *g, ig_shape shape, int axis) {
  int8_t codes[20000];
  float scales[128];
  uint32_t state = 7;
  int64_t count = ig_shape_count(&shape), n = shape.dims[axis];
  assert_true(count <= 20000 && n <= 128);
  for (int64_t i = 0; i < count; i++) codes[i] = (int8_t)(next_number(&state) >> 24);
  for (int64_t i = 0; i < n; i++) scales[i] = 0.0005f + 0.0001f * (float)(i % 5);
  return ig_op1(g, "DequantizeLinear", NULL,
                IG_INS(ig_graph_const(g, NULL, IG_I8, shape, codes),
                       ig_graph_const(g, NULL, IG_F32, IG_SHAPE(n), scales)),
                IG_ATTRS(IG_INT("axis", axis)));
}

/* As apply writes it: i32 behind DequantizeLinear. */
static ig_value *bias(ig_graph *g, int64_t n) {
  int32_t codes[128];
  for (int64_t i = 0; i < n; i++) codes[i] = (int32_t)(i * 37 % 101 - 50);
  return ig_op1(g, "DequantizeLinear", NULL,
                IG_INS(ig_graph_const(g, NULL, IG_I32, IG_SHAPE(n), codes), scale_of(g, 0.01f)),
                IG_NO_ATTRS);
}

static ig_value *conv3(ig_graph *g, ig_value *x, int64_t channels, int64_t group) {
  int64_t pads[] = {1, 1, 1, 1};
  ig_value *w = weights(g, IG_SHAPE(channels, x->shape.dims[1] / group, 3, 3), 0);
  return ig_op1(g, "Conv", NULL, IG_INS(x, w, bias(g, channels)),
                IG_ATTRS(IG_INTS("pads", 4, pads), IG_INT("group", group)));
}

static ig_value *image(ig_graph *g, int64_t channels) {
  return ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, channels, 9, 7));
}

/* --- checks ----------------------------------------------------------------------------------- */

/* Tensors of f32 that nodes make while a plan runs: those that hang on no input are made once. */
static int count_reals(const ig_graph *g) {
  bool known[512] = {false};
  int n = 0;
  assert_true(g->n_values <= 512);
  for (int32_t i = 0; i < g->n_values; i++) known[i] = g->values[i]->kind == IG_VALUE_CONST;
  for (int32_t i = 0; i < g->n_nodes; i++) {
    const ig_node *node = g->nodes[i];
    bool all = true;
    for (int j = 0; j < node->n_inputs; j++) {
      all = all && (!node->inputs[j] || known[node->inputs[j]->id]);
    }
    known[node->outputs[0]->id] = all;
    if (!all && node->outputs[0]->dtype == IG_F32) n++;
  }
  return n;
}

/* Lowers a copy and compares outputs within `tolerance`; the copy is the caller's. */
static ig_graph *lowered(const ig_graph *g, double tolerance) {
  run_env env = run_env_open();
  ig_graph *before = copy(g), *after = copy(g);
  GOOD(ig_passes_run(after, lowering, &inference));
  GOOD(ig_graph_verify(after));
  GOOD(ig_store_add_graph(env.store, before, 3));
  for (int32_t i = 0; i < before->n_outputs; i++) {
    int64_t n, m;
    double *want = run_graph(&env, before, true, 10, i, &n);
    double *got = run_graph(&env, after, true, 10, i, &m);
    assert_int_equal(n, m);
    double most = 0;
    for (int64_t j = 0; j < n; j++) most = fmax(most, fabs(got[j] - want[j]));
    if (!(most <= tolerance)) fail_msg("output %d differs by %g", i, most);
    free(want);
    free(got);
  }
  ig_graph_destroy(before);
  run_env_close(&env);
  return after;
}

static void expect(const ig_graph *g, const char *op_name, int count) {
  if (run_count(g, op_name) != count) {
    fail_msg("%d nodes %s, expected %d", run_count(g, op_name), op_name, count);
  }
}

/* A residual block with the sum in the convolution's end, pooled, and a linear layer behind it. */
static void residual_block(void **state) {
  (void)state;
  if (!able()) return;
  ig_graph *g = fresh();
  ig_value *x = pair(g, op(g, "Relu", image(g, 16)), 0.02f);
  ig_value *h = pair(g, op(g, "Relu", conv3(g, x, 32, 1)), 0.05f);
  ig_value *y = op2(g, "Add", conv3(g, h, 16, 1), x);
  y = pair(g, op(g, "Relu", y), 0.1f);
  y = op(g, "Flatten", op(g, "GlobalAveragePool", y));
  y = ig_op1(g, "Gemm", NULL, IG_INS(pair(g, y, 0.02f), weights(g, IG_SHAPE(10, 16), 0), bias(g, 10)),
             IG_ATTRS(IG_INT("transB", 1)));
  ig_graph_output(g, "y", decode(g, encode(g, y, IG_U8, 0.02f, 100), 0.02f, 100));
  ig_graph *after = lowered(g, 0.02 * 2.01); /* a code of the mean in ten weights of less than 0.13 */
  expect(after, "ingot.QuantizedConv", 2);
  expect(after, "ingot.QuantizedAveragePool", 1);
  expect(after, "ingot.QuantizedMatMul", 1);
  expect(after, "Add", 0);
  assert_int_equal(count_reals(after), 2); /* Relu of the input, and the output */
  ig_graph_destroy(after);
  ig_graph_destroy(g);
}

/* As ONNX Runtime's quantizer writes it: every result is quantized, and the sum is one of codes. */
static void sum_of_codes(void **state) {
  (void)state;
  if (!able()) return;
  ig_graph *g = fresh();
  ig_value *x = pair(g, image(g, 16), 0.02f);
  ig_value *h = pair(g, conv3(g, x, 16, 16), 0.02f);
  ig_value *y = op(g, "Relu", op2(g, "Add", h, x));
  ig_graph_output(g, "y", decode(g, encode(g, y, IG_U8, 0.03f, 0), 0.03f, 0));
  ig_graph *after = lowered(g, 0.0301);
  expect(after, "ingot.QuantizedConv", 1);
  expect(after, "ingot.QuantizedAdd", 1);
  assert_int_equal(count_reals(after), 1);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
}

/* A hard swish in pieces and x sigmoid(x) become tables, as does a change of scale. */
static void tables(void **state) {
  (void)state;
  if (!able()) return;
  ig_graph *g = fresh();
  ig_value *x = pair(g, image(g, 5), 0.05f);
  ig_value *three = scale_of(g, 3), *six = scale_of(g, 6);
  ig_value *gate = ig_op1(g, "Clip", NULL, IG_INS(op2(g, "Add", x, three), scale_of(g, 0), six),
                          IG_NO_ATTRS);
  ig_value *swish = op2(g, "Mul", x, op2(g, "Div", gate, six));
  ig_graph_output(g, "a", pair(g, swish, 0.04f));
  ig_graph_output(g, "b", pair(g, op2(g, "Mul", x, op(g, "Sigmoid", x)), 0.04f));
  ig_graph_output(g, "c", pair(g, x, 0.03f));
  ig_graph *after = lowered(g, 1e-6); /* the same functions of the same numbers */
  expect(after, "ingot.Lookup", 3);
  assert_int_equal(count_reals(after), 3);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
}

/* What moves numbers does so on codes, and pieces side by side get one scale. */
static void movement(void **state) {
  (void)state;
  if (!able()) return;
  ig_graph *g = fresh();
  int64_t window[] = {2, 2}, perm[] = {0, 2, 3, 1}, border[] = {0, 0, 1, 2, 0, 0, 1, 0};
  ig_value *x = pair(g, image(g, 16), 0.02f), *parts[2];
  parts[0] = ig_op1(g, "MaxPool", NULL, IG_INS(x), IG_ATTRS(IG_INTS("kernel_shape", 2, window)));
  parts[0] = pair(g, conv3(g, parts[0], 8, 1), 0.05f);
  parts[1] = ig_op1(g, "MaxPool", NULL, IG_INS(x), IG_ATTRS(IG_INTS("kernel_shape", 2, window)));
  ig_value *y = ig_op1(g, "Concat", NULL, 2, parts, IG_ATTRS(IG_INT("axis", 1)));
  y = pair(g, y, 0.05f);
  y = ig_op1(g, "Pad", NULL, IG_INS(y, ig_graph_const_i64s(g, 8, border)), IG_NO_ATTRS);
  y = ig_op1(g, "Transpose", NULL, IG_INS(y), IG_ATTRS(IG_INTS("perm", 4, perm)));
  ig_graph_output(g, "y", pair(g, y, 0.05f));
  ig_graph *after = lowered(g, 0.0501);
  expect(after, "ingot.Lookup", 1); /* the piece of the other scale */
  expect(after, "ingot.QuantizedConv", 1);
  assert_int_equal(count_reals(after), 1);
  for (int32_t i = 0; i < after->n_nodes; i++) {
    const ig_node *node = after->nodes[i];
    bool moves = ig_node_is(node, "Concat") || ig_node_is(node, "Pad") ||
                 ig_node_is(node, "Transpose") || ig_node_is(node, "MaxPool");
    if (moves) assert_int_equal(node->outputs[0]->dtype, IG_U8);
  }
  ig_graph_destroy(after);
  ig_graph_destroy(g);
}

/* QuantizeLinear rises before what moves a product's result. */
static void rising(void **state) {
  (void)state;
  if (!able()) return;
  ig_graph *g = fresh();
  ig_value *x = pair(g, ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 6, 24)), 0.02f);
  ig_value *y = op2(g, "MatMul", x, weights(g, IG_SHAPE(24, 32), 1));
  y = op(g, "Gelu", op2(g, "Add", y, bias(g, 32)));
  int64_t dims[] = {2, 6, 4, 8}, perm[] = {0, 2, 1, 3};
  y = ig_op1(g, "Reshape", NULL, IG_INS(y, ig_graph_const_i64s(g, 4, dims)), IG_NO_ATTRS);
  y = ig_op1(g, "Transpose", NULL, IG_INS(y), IG_ATTRS(IG_INTS("perm", 4, perm)));
  ig_graph_output(g, "y", pair(g, y, 0.01f));
  ig_graph *after = lowered(g, 0.0101);
  expect(after, "ingot.QuantizedMatMul", 1);
  assert_int_equal(count_reals(after), 1);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
}

static void q_linear(void **state) {
  (void)state;
  if (!able()) return;
  ig_graph *g = fresh();
  ig_value *x = encode(g, image(g, 16), IG_U8, 0.02f, 120);
  const ig_node *w = weights(g, IG_SHAPE(8, 16, 3, 3), 0)->producer;
  const ig_node *b = bias(g, 8)->producer;
  int8_t zeros[8] = {0};
  ig_value *y = ig_op1(g, "QLinearConv", NULL,
                       IG_INS(x, scale_of(g, 0.02f), zero_of(g, IG_U8, 120), w->inputs[0],
                              w->inputs[1], ig_graph_const(g, NULL, IG_I8, IG_SHAPE(8), zeros),
                              scale_of(g, 0.05f), zero_of(g, IG_U8, 7), b->inputs[0]),
                       IG_NO_ATTRS);
  ig_graph_output(g, "y", decode(g, y, 0.05f, 7));
  ig_graph *after = lowered(g, 0.0501);
  expect(after, "ingot.QuantizedConv", 1);
  expect(after, "QLinearConv", 0);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
}

/* Weights that a run brings, scales that it brings, and a residual of f32 in front of a QuantizeLinear. */
static void left_alone(void **state) {
  (void)state;
  if (!able()) return;
  ig_graph *g = fresh();
  ig_value *x = image(g, 8), *step = ig_graph_input(g, "step", IG_F32, IG_SCALAR);
  ig_value *given = ig_graph_input(g, "w", IG_F32, IG_SHAPE(8, 8, 3, 3));
  ig_value *w = decode(g, encode(g, given, IG_I8, 0.02f, 0), 0.02f, 0);
  ig_value *coded = ig_op1(g, "QuantizeLinear", NULL, IG_INS(x, step), IG_NO_ATTRS);
  ig_value *known = weights(g, IG_SHAPE(8, 8, 3, 3), 0);
  ig_graph_output(g, "a", ig_op1(g, "Conv", NULL, IG_INS(pair(g, x, 0.02f), w), IG_NO_ATTRS));
  ig_value *decoded = ig_op1(g, "DequantizeLinear", NULL, IG_INS(coded, step), IG_NO_ATTRS);
  ig_graph_output(g, "b", ig_op1(g, "Conv", NULL, IG_INS(decoded, known), IG_NO_ATTRS));
  GOOD(ig_graph_status(g));
  GOOD(ig_passes_run(g, lowering, &inference));
  expect(g, "ingot.QuantizedConv", 0);
  ig_graph_destroy(g);

  g = fresh();
  x = image(g, 16);
  ig_value *y = op2(g, "Add", conv3(g, pair(g, x, 0.02f), 16, 1), op(g, "Tanh", x));
  ig_graph_output(g, "y", pair(g, y, 0.05f));
  ig_graph *after = lowered(g, 0.0501);
  expect(after, "ingot.QuantizedConv", 1);
  expect(after, "QuantizeLinear", 2);
  ig_graph_destroy(after);
  ig_graph_destroy(g);
}

/* A training graph is not touched. */
static void training_graphs(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_graph_output(g, "y", pair(g, conv3(g, pair(g, image(g, 8), 0.02f), 8, 1), 0.05f));
  GOOD(ig_graph_status(g));
  int32_t before = g->n_nodes;
  pass(g, "lower_int8_moves", &training);
  pass(g, "lower_int8", &training);
  pass(g, "lower_int8_between", &training);
  assert_int_equal(g->n_nodes, before);
  ig_graph_destroy(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(residual_block), cmocka_unit_test(sum_of_codes), cmocka_unit_test(tables),
      cmocka_unit_test(movement),       cmocka_unit_test(rising),       cmocka_unit_test(q_linear),
      cmocka_unit_test(left_alone),     cmocka_unit_test(training_graphs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
