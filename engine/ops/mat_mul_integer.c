/* MatMulInteger: NumPy's matmul of 8-bit integers less their zero points, as i32. A zero point is one
 * number, or one for each row of A and for each column of B. */
#include "engine/ops/matmul_integer.h"

const ig_integer_operands ig_mat_mul_integer_operands = {.a = 0, .b = 1, .a_zero = 2, .b_zero = 3};

static ig_status infer(ig_node *node) {
  ig_shape result;
  IG_TRY(ig_matmul_integer_shape(node, &ig_mat_mul_integer_operands, &result));
  return ig_infer_set(node, 0, IG_I32, &result);
}

static ig_status run_rows(const ig_call *call) {
  const ig_matmul_integer s = ig_matmul_integer_of(call->node, &ig_mat_mul_integer_operands);
  ig_cpu_matmul_integer(&s, call->in[0], call->in[1], ig_integer_in(call, 2),
                        ig_integer_in(call, 3), call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  const ig_matmul_integer s = ig_matmul_integer_of(call->node, &ig_mat_mul_integer_operands);
  ig_cpu_matmul_integer_reference(&s, call->in[0], call->in[1], ig_integer_in(call, 2),
                                  ig_integer_in(call, 3), call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "rows", .run = run_rows},
    {.name = "reference", .run = run_reference},
    {0},
};

const ig_op ig_op_mat_mul_integer = {
    .name = "MatMulInteger",
    .since = 10,
    .n_in = {2, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = infer,
    .cost = ig_matmul_integer_cost,
    .impls = impls,
};
