/* QLinearMatMul: the product of two quantized matrices, quantized: MatMulInteger's sums times
 * (a_scale b_scale) / y_scale in f32, rounded half to even, saturated from y's zero point. Scales of a
 * and b have the shapes of their zero points. */
#include "engine/ops/matmul_integer.h"

const ig_integer_operands ig_q_linear_mat_mul_operands = {.a = 0, .b = 3, .a_zero = 2, .b_zero = 5};

static ig_status check_scale(const ig_node *node, int i) {
  const ig_value *scale = node->inputs[i], *zero = node->inputs[i + 1];
  IG_CHECK(scale->dtype == IG_F32 || scale->dtype == IG_BF16 || scale->dtype == IG_F16,
           IG_ERR_SHAPE, "scale %d must be f32, bf16 or f16, found %s", i,
           ig_dtype_name(scale->dtype));
  IG_CHECK(scale->dtype == node->inputs[1]->dtype, IG_ERR_SHAPE,
           "scale %d is %s where scale 1 is %s", i, ig_dtype_name(scale->dtype),
           ig_dtype_name(node->inputs[1]->dtype));
  IG_CHECK(ig_shape_equal(&scale->shape, &zero->shape), IG_ERR_SHAPE,
           "scale %d has shape %s where its zero point has %s", i, IG_SHAPE_STR(&scale->shape),
           IG_SHAPE_STR(&zero->shape));
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const ig_value *y_scale = node->inputs[6], *y_zero = node->inputs[7];
  ig_shape result;
  IG_TRY(ig_matmul_integer_shape(node, &ig_q_linear_mat_mul_operands, &result));
  for (int i = 1; i < 8; i += i == 1 ? 3 : 2) IG_TRY(check_scale(node, i));
  IG_CHECK(y_zero->dtype == IG_I8 || y_zero->dtype == IG_U8, IG_ERR_SHAPE,
           "zero point 7 must be i8 or u8, found %s", ig_dtype_name(y_zero->dtype));
  IG_CHECK(ig_value_count(y_scale) == 1, IG_ERR_UNSUPPORTED,
           "scale 6 has shape %s, expected one number", IG_SHAPE_STR(&y_scale->shape));
  return ig_infer_set(node, 0, y_zero->dtype, &result);
}

ig_requantize ig_requantize_of(const ig_node *node, const ig_matmul_integer *s) {
  return (ig_requantize){.scale = node->inputs[1]->dtype,
                         .whole = node->outputs[0]->dtype,
                         .rows = ig_shape_count(&s->batch) * s->m,
                         .m = s->m,
                         .n = s->n,
                         .by_row = s->a_zero_rows,
                         .by_column = s->b_zero_columns};
}

static size_t workspace(const ig_node *node) {
  return (size_t)ig_value_count(node->outputs[0]) * sizeof(int32_t);
}

static ig_status run(const ig_call *call) {
  const ig_matmul_integer s = ig_matmul_integer_of(call->node, &ig_q_linear_mat_mul_operands);
  const ig_requantize r = ig_requantize_of(call->node, &s);
  ig_cpu_matmul_integer(&s, call->in[0], call->in[3], call->in[2], call->in[5], call->workspace);
  ig_cpu_requantize(&r, call->workspace, call->in[1], call->in[4], call->in[6], call->in[7],
                    call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "rows", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_q_linear_mat_mul = {
    .name = "QLinearMatMul",
    .since = 21,
    .n_in = {8, 8},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = infer,
    .cost = ig_matmul_integer_cost,
    .impls = impls,
};
