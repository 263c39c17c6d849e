/* QLinearMatMul: the product of two quantized matrices, quantized: MatMulInteger's sums times
 * (a_scale b_scale) / y_scale in f32, rounded half to even, saturated from y's zero point. Scales of a
 * and b have the shapes of their zero points. */
#include "engine/ops/matmul_integer.h"

const ig_integer_operands ig_q_linear_mat_mul_operands = {.a = 0, .b = 3, .a_zero = 2, .b_zero = 5};

static ig_status infer(ig_node *node) {
  ig_shape result;
  IG_TRY(ig_matmul_integer_shape(node, &ig_q_linear_mat_mul_operands, &result));
  IG_TRY(ig_q_linear_check(node));
  return ig_infer_set(node, 0, node->inputs[7]->dtype, &result);
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
    .settings = 1 << 1 | 1 << 4 | 1 << 6,
    .impls = impls,
};
