/* Functions of two elements with broadcasting, and selection, on a GPU. */
#include "engine/ops/elementwise.h"

static const char *reject_walk(const ig_node *node, int operands) {
  ig_walk walk;
  for (int i = 0; i < operands; i++) {
    if (node->inputs[i]->layout == IG_LAYOUT_BLOCK16) return "blocked layouts are the CPU's";
  }
  return ig_walk_of(node, operands, &walk);
}

static const char *reject(const ig_node *node) {
  for (int i = 0; i < 2; i++) {
    ig_dtype dtype = node->inputs[i]->dtype;
    if (dtype == IG_F64 || dtype > IG_BOOL) return "an element type of the CPU's";
  }
  if (ig_dtype_is_int(node->inputs[0]->dtype) && ig_dtype_is_float(node->inputs[1]->dtype))
    return "integers to the power of floats are the CPU's";
  return reject_walk(node, 2);
}

static ig_status run(const ig_call *call, ig_binary kind) {
  ig_walk walk;
  ig_walk_of(call->node, 2, &walk);
  return ig_cuda_binary(kind, call->node->inputs[0]->dtype, call->node->inputs[1]->dtype, &walk,
                        call->in[0], call->in[1], call->out[0], call->stream);
}

#define BINARY(stem, kind)                                                                         \
  static ig_status run_##stem(const ig_call *call) {                                               \
    return run(call, (kind));                                                                      \
  }                                                                                                \
  static const ig_impl stem##_impls[] = {                                                          \
      {.name = "vector", .device = IG_CUDA, .reject = reject, .run = run_##stem}, {0}};

BINARY(add, IG_BINARY_ADD)
BINARY(sub, IG_BINARY_SUB)
BINARY(mul, IG_BINARY_MUL)
BINARY(div, IG_BINARY_DIV)
BINARY(pow, IG_BINARY_POW)
BINARY(equal, IG_BINARY_EQUAL)
BINARY(greater, IG_BINARY_GREATER)
BINARY(less, IG_BINARY_LESS)
BINARY(greater_or_equal, IG_BINARY_GREATER_OR_EQUAL)
BINARY(less_or_equal, IG_BINARY_LESS_OR_EQUAL)
BINARY(and, IG_BINARY_AND)
BINARY(or, IG_BINARY_OR)
BINARY(xor, IG_BINARY_XOR)

static const char *reject_where(const ig_node *node) {
  return reject_walk(node, 3);
}

static ig_status run_where(const ig_call *call) {
  ig_walk walk;
  ig_walk_of(call->node, 3, &walk);
  return ig_cuda_where(ig_dtype_size(call->node->outputs[0]->dtype), &walk, call->in[0],
                       call->in[1], call->in[2], call->out[0], call->stream);
}

static const ig_impl where_impls[] = {
    {.name = "vector", .device = IG_CUDA, .reject = reject_where, .run = run_where}, {0}};

static const struct ig_op_impls ops[] = {
    {"Add", add_impls},
    {"Sub", sub_impls},
    {"Mul", mul_impls},
    {"Div", div_impls},
    {"Pow", pow_impls},
    {"Equal", equal_impls},
    {"Greater", greater_impls},
    {"Less", less_impls},
    {"GreaterOrEqual", greater_or_equal_impls},
    {"LessOrEqual", less_or_equal_impls},
    {"And", and_impls},
    {"Or", or_impls},
    {"Xor", xor_impls},
    {"Where", where_impls},
    {0},
};

const ig_device_ops ig_cuda_ops_binary = {.ops = ops};
