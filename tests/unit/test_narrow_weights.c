/* Weights of 8 and 4 bits: what the passes make of DequantizeLinear and of ONNX's dynamic form, with numbers
 * against plans of the graphs as they were, and decoding graphs that follow a quantized model. */
#include "pass_checks.h"

#include <math.h>

#include "engine/models/model.h"
#include "engine/passes/rewrite.h"
#include "engine/quantize/follow.h"

/* Codes as a constant: -7 to 7 of i4, -127 to 127 of i8. */
static ig_value *codes(ig_graph *g, ig_dtype dtype, int64_t rows, int64_t columns) {
  int8_t *bytes = malloc((size_t)(rows * columns));
  assert_non_null(bytes);
  int64_t most = dtype == IG_I4 ? 7 : 127;
  ig_rng rng = ig_rng_stream(8, IG_RNG_TEST, 0, (uint64_t)(rows * 1000 + columns));
  for (int64_t i = 0; i < rows * columns; i++) {
    bytes[i] = (int8_t)((int64_t)ig_rng_below(&rng, (uint64_t)i, (uint64_t)(2 * most + 1)) - most);
  }
  ig_value *value = ig_graph_const(g, NULL, dtype, IG_SHAPE(rows, columns), bytes);
  free(bytes);
  return value;
}

static ig_value *scales(ig_graph *g, ig_shape shape) {
  float numbers[4096];
  for (int64_t i = 0; i < ig_shape_count(&shape); i++) numbers[i] = 0.002f + 0.0001f * (float)(i % 37);
  return ig_graph_const(g, NULL, IG_F32, shape, numbers);
}

static ig_value *dequantize(ig_graph *g, ig_value *x, ig_value *scale, int64_t axis, int64_t block) {
  return ig_op1(g, "DequantizeLinear", NULL, IG_INS(x, scale),
                IG_ATTRS(IG_INT("axis", axis), IG_INT("block_size", block)));
}

static ig_value *bias(ig_graph *g, int64_t n) {
  return ig_graph_param(g, "bias", IG_F32, IG_SHAPE(n), noise, false);
}

/* The pass, then the fusion, against neither. */
static ig_graph *lowered(run_env *env, const ig_graph *g, const char *name, double tolerance) {
  ig_graph *after = same_numbers(env, g, name, &inference, tolerance), *both;
  both = same_numbers(env, after, "fuse_bias_activation", &inference, 1e-5);
  ig_graph_destroy(after);
  GOOD(ig_passes_run(both, (const char *const[]){"dce", NULL}, &inference));
  return both;
}

static void products(void **state) {
  (void)state;
  static const struct {
    ig_dtype dtype;
    bool transposed, by_node; /* [n, k]; and a Transpose says so */
    int64_t block;
  } cases[] = {{IG_I8, false, false, 0}, {IG_I8, true, false, 0},  {IG_I8, true, true, 0},
               {IG_I4, false, false, 32}, {IG_I4, true, false, 32}, {IG_I4, true, true, 32},
               {IG_I8, false, false, 40}};
  enum { K = 80, N = 70 };
  for (int i = 0; i < IG_COUNT(cases); i++) {
    run_env env = run_env_open();
    ig_graph *g = fresh();
    bool t = cases[i].transposed;
    int64_t block = cases[i].block, groups = block ? (K + block - 1) / block : 1;
    ig_shape shape = !block ? IG_SHAPE(N) : t ? IG_SHAPE(N, groups) : IG_SHAPE(groups, N);
    int64_t axis = block ? t : !t; /* blocks run along the summed dimension, scales along the other */
    ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(6, K));
    ig_value *w = codes(g, cases[i].dtype, t ? N : K, t ? K : N);
    w = dequantize(g, w, scales(g, shape), axis, block);
    ig_value *y;
    if (cases[i].by_node) {
      int64_t perm[] = {1, 0};
      w = ig_op1(g, "Transpose", NULL, IG_INS(w), IG_ATTRS(IG_INTS("perm", 2, perm)));
      y = op2(g, "Add", op2(g, "MatMul", x, w), bias(g, N));
    } else {
      y = ig_op1(g, "Gemm", NULL, IG_INS(x, w, bias(g, N)), IG_ATTRS(IG_INT("transB", t)));
    }
    ig_graph_output(g, "y", op(g, "Gelu", y));
    ig_graph *after = lowered(&env, g, "lower_weight_only", 1e-5);
    assert_int_equal(after->n_nodes, 1);
    assert_int_equal(run_count(after, "ingot.WeightOnlyMatMul"), 1);
    assert_int_equal(ig_attr_int_of(after->nodes[0], "x_block", -1), 0);
    ig_graph_destroy(after);
    ig_graph_destroy(g);
    run_env_close(&env);
  }
}

/* Tied embeddings: rows and a product of one tensor of codes. */
static void tables(void **state) {
  (void)state;
  for (int64_t block = 0; block <= 16; block += 16) {
    run_env env = run_env_open();
    ig_graph *g = fresh();
    ig_value *x = ig_graph_input(g, "x", IG_I64, IG_SHAPE(2, 3));
    ig_value *table = codes(g, IG_I4, 10, 32);
    ig_value *w = block ? dequantize(g, table, scales(g, IG_SHAPE(10, 2)), 1, block)
                        : dequantize(g, table, scales(g, IG_SHAPE(10)), 0, 0);
    ig_value *rows = op(g, "Tanh", op2(g, "Gather", w, x));
    int64_t flat[] = {6, 32};
    rows = op2(g, "Reshape", rows, ig_graph_const_i64s(g, 2, flat));
    ig_graph_output(g, "y", ig_op1(g, "Gemm", NULL, IG_INS(rows, w), IG_ATTRS(IG_INT("transB", 1))));
    ig_graph *after = lowered(&env, g, "lower_weight_only", 1e-5);
    assert_int_equal(run_count(after, "ingot.WeightOnlyMatMul"), 1);
    assert_int_equal(run_count(after, "ingot.GatherDequantized"), 1);
    assert_int_equal(run_count(after, "DequantizeLinear"), 0);
    ig_graph_destroy(after);
    ig_graph_destroy(g);
    run_env_close(&env);
  }
}

/* What the operator cannot say stays as it is. */
static void left_alone(void **state) {
  (void)state;
  int8_t nine = 9;
  for (int i = 0; i < 5; i++) {
    ig_graph *g = fresh();
    ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(6, 16)), *w = codes(g, IG_I8, 16, 16);
    ig_value *scale = scales(g, IG_SHAPE(16)), *zero = ig_graph_const(g, NULL, IG_I8, IG_SCALAR, &nine);
    if (i == 0) w = dequantize(g, w, scale, 0, 0); /* scales along the sum */
    if (i == 1) w = ig_op1(g, "DequantizeLinear", NULL, IG_INS(w, scales(g, IG_SCALAR), zero), IG_NO_ATTRS);
    if (i == 2) w = dequantize(g, ig_graph_input(g, "w", IG_I8, IG_SHAPE(16, 16)), scale, 1, 0);
    if (i == 3) w = dequantize(g, w, scales(g, IG_SHAPE(16, 2)), 1, 8); /* blocks along the results */
    if (i == 4) { /* two quantized operands */
      w = dequantize(g, w, scale, 1, 0);
      x = op2(g, "DequantizeLinear", op2(g, "QuantizeLinear", x, scales(g, IG_SCALAR)), scales(g, IG_SCALAR));
    }
    ig_graph_output(g, "y", op2(g, "MatMul", x, w));
    pass(g, "lower_weight_only", &inference);
    assert_int_equal(run_count(g, "MatMul"), 1);
    ig_graph_destroy(g);
  }
}

/* ONNX's dynamic form; `order` says how the scales are multiplied. */
static void dynamic(void **state) {
  (void)state;
  for (int order = 0; order < 5; order++) {
    run_env env = run_env_open();
    ig_graph *g = fresh();
    ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 3, 40));
    ig_value *w = order < 4 ? codes(g, IG_I8, 40, 20) : op(g, "Transpose", codes(g, IG_I8, 20, 40));
    ig_value *scale = order == 0 ? scales(g, IG_SCALAR) : order == 1 ? scales(g, IG_SHAPE(1, 20))
                                                                     : scales(g, IG_SHAPE(20));
    ig_node *q = ig_graph_node(g, "DynamicQuantizeLinear", NULL, IG_INS(x), IG_NO_ATTRS, 3);
    ig_value *sums = ig_op1(g, "MatMulInteger", NULL, IG_INS(q->outputs[0], w, q->outputs[2]), IG_NO_ATTRS);
    ig_value *y = ig_op1(g, "Cast", NULL, IG_INS(sums), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
    if (order < 2 || order == 4) y = op2(g, "Mul", y, op2(g, "Mul", q->outputs[1], scale));
    if (order == 2) y = op2(g, "Mul", op2(g, "Mul", y, scale), q->outputs[1]);
    if (order == 3) y = op2(g, "Mul", scale, op2(g, "Mul", q->outputs[1], y));
    ig_graph_output(g, "y", op(g, "Relu", op2(g, "Add", bias(g, 20), y)));
    ig_graph *after = lowered(&env, g, "lower_dynamic", 1e-6);
    assert_int_equal(run_count(after, "ingot.DynamicQuantizedMatMul"), 1);
    assert_int_equal(after->n_nodes, order == 1 ? 2 : 1); /* a Reshape of [1, 20] */
    ig_graph_destroy(after);
    ig_graph_destroy(g);
    run_env_close(&env);
  }
}

/* Only one of the two scales: no such product. */
static void dynamic_left_alone(void **state) {
  (void)state;
  ig_graph *g = fresh();
  ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(3, 40));
  ig_node *q = ig_graph_node(g, "DynamicQuantizeLinear", NULL, IG_INS(x), IG_NO_ATTRS, 3);
  ig_value *sums = ig_op1(g, "MatMulInteger", NULL,
                          IG_INS(q->outputs[0], codes(g, IG_I8, 40, 20), q->outputs[2]), IG_NO_ATTRS);
  ig_value *y = ig_op1(g, "Cast", NULL, IG_INS(sums), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
  ig_graph_output(g, "y", op2(g, "Mul", y, q->outputs[1]));
  pass(g, "lower_dynamic", &inference);
  assert_int_equal(run_count(g, "MatMulInteger"), 1);
  ig_graph_destroy(g);
}

/* --- decoding ---------------------------------------------------------------------------------- */

/* The dimension that products sum over: tables lie as [n, k], other weights as [k, n]. */
static int sum_axis(const char *name) { return strncmp(name, "h.", 2) == 0 ? 0 : 1; }

/* The shape of scales with which a matrix of that name is quantized. */
static ig_shape scale_shape(const char *name, ig_shape shape, int64_t block) {
  int axis = sum_axis(name);
  if (!block) return IG_SHAPE(shape.dims[1 - axis]);
  shape.dims[axis] /= block;
  return shape;
}

/* What a quantized model's graph has of a preset's: its parameters, matrices as codes of `dtype` with a
 * scale a channel, or also in blocks along what is summed. */
static ig_graph *quantized_like(const ig_graph *preset, ig_dtype dtype, int64_t block) {
  char name[128];
  ig_graph *g = fresh();
  for (int32_t i = 0; i < preset->n_values; i++) {
    const ig_value *v = preset->values[i];
    if (v->kind != IG_VALUE_PARAM) continue;
    bool matrix = v->shape.rank == 2;
    ig_value *param = ig_graph_param(g, v->name, matrix ? dtype : IG_F32, v->shape,
                                     (ig_init){.kind = IG_INIT_ZERO}, false);
    ig_value *real = param;
    if (matrix && dtype == IG_BF16) {
      real = ig_op1(g, "Cast", NULL, IG_INS(param), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
    } else if (matrix) {
      snprintf(name, sizeof name, "%s.scale", v->name);
      int axis = sum_axis(v->name);
      ig_value *scale = ig_graph_param(g, name, IG_F32, scale_shape(v->name, v->shape, block),
                                       (ig_init){.kind = IG_INIT_ONE}, false);
      real = dequantize(g, param, scale, block ? axis : 1 - axis, block);
    }
    ig_graph_output(g, v->name, op(g, "Neg", real));
  }
  GOOD(ig_graph_status(g));
  return g;
}

/* Codes and scales into the store of the quantized model, what they stand for into the other. */
static void fill(run_env *narrow, run_env *real, const ig_graph *quantized, int64_t block) {
  GOOD(ig_store_add_graph(narrow->store, quantized, 3));
  for (int32_t i = 0; i < quantized->n_values; i++) {
    const ig_value *v = quantized->values[i];
    ig_store_entry *to = v->kind == IG_VALUE_PARAM ? ig_store_find(real->store, v->name) : NULL;
    if (!to) continue;
    ig_store_entry *from = ig_store_find(narrow->store, v->name);
    ig_rng rng = ig_rng_stream(4, IG_RNG_TEST, 0, ig_hash_name(v->name));
    int64_t count = ig_shape_count(&v->shape), width = v->shape.dims[v->shape.rank - 1];
    char name[128];
    snprintf(name, sizeof name, "%s.scale", v->name);
    ig_store_entry *scale = ig_store_find(narrow->store, name);
    for (int64_t k = 0; scale && k < ig_shape_count(&scale->shape); k++) {
      ((float *)scale->data)[k] = 0.02f + 0.001f * (float)(k % 11);
    }
    for (int64_t k = 0; k < count; k++) {
      double value = (double)ig_rng_below(&rng, (uint64_t)k, 15) - 7;
      ig_store_f64(v->dtype, from->data, k, scale ? value : value * 0.03);
      value = ig_load_f64(v->dtype, from->data, k);
      if (scale) {
        int axis = sum_axis(v->name);
        int64_t at[2] = {k / width, k % width};
        at[axis] = block ? at[axis] / block : 0;
        int64_t row = scale->shape.rank == 2 ? scale->shape.dims[1] : 1;
        value *= (double)((float *)scale->data)[block ? at[0] * row + at[1] : at[1 - axis]];
      }
      ig_store_f64(IG_F32, to->data, k, value);
    }
  }
}

static void decoding_follows(void **state) {
  (void)state;
  static const struct {
    ig_dtype dtype;
    int64_t block;
    const char *op;
  } cases[] = {{IG_I8, 0, "ingot.WeightOnlyMatMul"}, {IG_I4, 16, "ingot.WeightOnlyMatMul"},
               {IG_BF16, 0, "Cast"}};
  const char *model = "gpt:layers=2,heads=2,embd=32,ctx=16";
  for (int i = 0; i < IG_COUNT(cases); i++) {
    run_env narrow = run_env_open(), real = run_env_open();
    ig_model_spec spec = {.input = IG_SHAPE(8), .n_outputs = 20, .fed = 4};
    ig_graph *plain, *follower, *quantized;
    int changed;
    GOOD(ig_model_build_decode(model, &spec, &plain));
    GOOD(ig_model_build_decode(model, &spec, &follower));
    quantized = quantized_like(plain, cases[i].dtype, cases[i].block);
    GOOD(ig_store_add_graph(real.store, plain, 3));
    fill(&narrow, &real, quantized, cases[i].block);
    GOOD(ig_quantize_follow(follower, quantized, &changed));
    assert_int_equal(changed, 10);
    GOOD(ig_graph_verify(follower));
    if (cases[i].dtype != IG_BF16) {
      GOOD(ig_passes_run(follower, ig_pipeline_inference, &inference));
      assert_int_equal(run_count(follower, "DequantizeLinear"), 0);
      assert_int_equal(run_count(follower, "ingot.GatherDequantized"), 2);
    }
    assert_true(run_count(follower, cases[i].op) >= 9);
    int64_t n, m;
    double *want = run_graph(&real, plain, false, 12, 0, &n);
    double *got = run_graph(&narrow, follower, true, 12, 0, &m);
    assert_int_equal(n, m);
    double difference = run_difference(got, want, n);
    if (!(difference <= 1e-4)) fail_msg("case %d: logits differ by %g", i, difference);
    free(want);
    free(got);
    ig_graph_destroy(plain);
    ig_graph_destroy(follower);
    ig_graph_destroy(quantized);
    run_env_close(&narrow);
    run_env_close(&real);
  }
}

static void decoding_of_another(void **state) {
  (void)state;
  ig_model_spec spec = {.input = IG_SHAPE(8), .n_outputs = 20};
  ig_graph *plain, *other, *quantized;
  int changed;
  GOOD(ig_model_build_decode("gpt:layers=2,heads=2,embd=32,ctx=16", &spec, &plain));
  GOOD(ig_model_build_decode("gpt:layers=1,heads=2,embd=32,ctx=16", &spec, &other));
  quantized = quantized_like(plain, IG_I8, 0);
  assert_int_equal(ig_quantize_follow(other, quantized, &changed), IG_ERR_UNSUPPORTED);
  assert_non_null(strstr(ig_last_error(), "h.1."));
  ig_graph_destroy(quantized);
  quantized = quantized_like(other, IG_I8, 0);
  assert_int_equal(ig_quantize_follow(plain, quantized, &changed), IG_ERR_UNSUPPORTED);
  assert_non_null(strstr(ig_last_error(), "h.1."));
  ig_graph_destroy(plain);
  ig_graph_destroy(other);
  ig_graph_destroy(quantized);
}

/* Codes that a plan has packed leave the store, unless an earlier plan reads them there. */
static void codes_are_released(void **state) {
  (void)state;
  const ig_init zero = {.kind = IG_INIT_ZERO};
  for (int shared = 0; shared < 2; shared++) {
    run_env env = run_env_open();
    ig_graph *g = fresh(), *rows = fresh();
    ig_value *x = ig_graph_input(g, "x", IG_F32, IG_SHAPE(2, 32));
    ig_value *w = ig_graph_param(g, "w", IG_I8, IG_SHAPE(16, 32), zero, false);
    ig_value *s = ig_graph_param(g, "s", IG_F32, IG_SHAPE(16), zero, false);
    ig_graph_output(g, "y",
                    ig_op1(g, "ingot.WeightOnlyMatMul", NULL, IG_INS(x, w, s),
                           IG_ATTRS(IG_INT("trans_b", 1))));
    x = ig_graph_input(rows, "x", IG_I64, IG_SHAPE(2));
    w = ig_graph_param(rows, "w", IG_I8, IG_SHAPE(16, 32), zero, false);
    ig_graph_output(rows, "y", op2(rows, "Gather", w, x));
    GOOD(ig_store_add_graph(env.store, g, 3));
    ig_plan *first = NULL, *last;
    ig_plan_options keep = {.frozen_params = true};
    ig_plan_options release = {.frozen_params = true, .release_params = true};
    if (shared) GOOD(ig_plan_create(rows, env.backend, env.store, &keep, &first));
    GOOD(ig_plan_create(g, env.backend, env.store, &release, &last));
    assert_int_equal(ig_store_find(env.store, "w")->data != NULL, shared);
    assert_null(ig_store_find(env.store, "s")->data);
    ig_plan_destroy(first);
    ig_plan_destroy(last);
    ig_graph_destroy(g);
    ig_graph_destroy(rows);
    run_env_close(&env);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products),           cmocka_unit_test(tables),
      cmocka_unit_test(left_alone),         cmocka_unit_test(dynamic),
      cmocka_unit_test(dynamic_left_alone), cmocka_unit_test(decoding_follows),
      cmocka_unit_test(decoding_of_another), cmocka_unit_test(codes_are_released),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
