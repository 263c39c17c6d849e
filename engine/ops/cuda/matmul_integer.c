/* Products of matrices of 8-bit integers on a GPU. */
#include "engine/ops/matmul_integer.h"

static const char *reject(const ig_node *node, const ig_integer_operands *which) {
  const ig_matmul_integer s = ig_matmul_integer_of(node, which);
  if (ig_shape_count(&s.batch) > 65535) return "more than 65535 matrices";
  return s.m > (int64_t)64 * 65535 ? "too many rows" : NULL;
}

static const char *reject_integer(const ig_node *node) {
  return reject(node, &ig_mat_mul_integer_operands);
}

static ig_status run_integer(const ig_call *call) {
  const ig_matmul_integer s = ig_matmul_integer_of(call->node, &ig_mat_mul_integer_operands);
  return ig_cuda_matmul_integer(&s, call->in[0], call->in[1], ig_integer_in(call, 2),
                                ig_integer_in(call, 3), call->out[0], call->stream);
}

static const char *reject_quantized(const ig_node *node) {
  return reject(node, &ig_q_linear_mat_mul_operands);
}

static size_t workspace(const ig_node *node) {
  return (size_t)ig_value_count(node->outputs[0]) * sizeof(int32_t);
}

static ig_status run_quantized(const ig_call *call) {
  const ig_matmul_integer s = ig_matmul_integer_of(call->node, &ig_q_linear_mat_mul_operands);
  const ig_requantize r = ig_requantize_of(call->node, &s);
  IG_TRY(ig_cuda_matmul_integer(&s, call->in[0], call->in[3], call->in[2], call->in[5],
                                call->workspace, call->stream));
  return ig_cuda_requantize(&r, call->workspace, call->in[1], call->in[4], call->in[6], call->in[7],
                            call->out[0], call->stream);
}

static const ig_impl integer_impls[] = {
    {.name = "dp4a", .device = IG_CUDA, .reject = reject_integer, .run = run_integer}, {0}};
static const ig_impl quantized_impls[] = {{.name = "dp4a",
                                           .device = IG_CUDA,
                                           .reject = reject_quantized,
                                           .workspace = workspace,
                                           .run = run_quantized},
                                          {0}};

static const struct ig_op_impls ops[] = {
    {"MatMulInteger", integer_impls},
    {"QLinearMatMul", quantized_impls},
    {0},
};

const ig_device_ops ig_cuda_ops_matmul_integer = {.ops = ops};
