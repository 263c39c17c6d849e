/* Functions of one element on a GPU. */
#include <math.h>

#include "engine/ops/elementwise.h"

static const char *reject(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  if (x->dtype != IG_F32 && x->dtype != IG_BF16 && x->dtype != IG_F16) return "not f32, bf16 or f16";
  return x->layout == node->outputs[0]->layout ? NULL : "operands differ in memory layout";
}

static ig_status run(const ig_call *call, ig_unary kind, float a, float b) {
  const ig_value *y = call->node->outputs[0];
  return ig_cuda_unary(kind, y->dtype, call->in[0], call->out[0], ig_storage_count(y), a, b,
                       call->stream);
}

#define UNARY(stem, kind)                                                                          \
  static ig_status run_##stem(const ig_call *call) { return run(call, kind, 0, 0); }               \
  static const ig_impl stem##_impls[] = {                                                          \
      {.name = "vector", .device = IG_CUDA, .reject = reject, .run = run_##stem}, {0}};

UNARY(relu, IG_UNARY_RELU)
UNARY(tanh, IG_UNARY_TANH)
UNARY(sigmoid, IG_UNARY_SIGMOID)

static const struct ig_op_impls ops[] = {
    {"Relu", relu_impls}, {"Tanh", tanh_impls}, {"Sigmoid", sigmoid_impls}, {0}};

const ig_device_ops ig_cuda_ops_unary = {.ops = ops};
