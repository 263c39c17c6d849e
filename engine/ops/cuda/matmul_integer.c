/* Products of matrices of 8-bit integers on a GPU. */
#include "engine/ops/matmul_integer.h"

static const char *reject(const ig_node *node) {
  const ig_matmul_integer s = ig_matmul_integer_of(node);
  if (ig_shape_count(&s.batch) > 65535) return "more than 65535 matrices";
  return s.m > (int64_t)64 * 65535 ? "too many rows" : NULL;
}

static ig_status run(const ig_call *call) {
  const ig_matmul_integer s = ig_matmul_integer_of(call->node);
  return ig_cuda_matmul_integer(&s, call->in[0], call->in[1], ig_matmul_integer_zero(call, 0),
                                ig_matmul_integer_zero(call, 1), call->out[0], call->stream);
}

static const ig_impl impls[] = {{.name = "dp4a", .device = IG_CUDA, .reject = reject, .run = run},
                                {0}};

static const struct ig_op_impls ops[] = {{"MatMulInteger", impls}, {0}};

const ig_device_ops ig_cuda_ops_matmul_integer = {.ops = ops};
