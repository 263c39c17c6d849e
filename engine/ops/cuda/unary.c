/* Functions of one element and their gradients on a GPU, and conversion between element types. */
#include <math.h>
#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/ops/elementwise.h"
#include "kernels/convert.h"

static const char *reject_layout(const ig_node *node) {
  const ig_layout layout = node->outputs[0]->layout;
  if (layout == IG_LAYOUT_BLOCK16) return "blocked layouts are the CPU's";
  return node->inputs[0]->layout == layout ? NULL : "operands differ in memory layout";
}

static bool is_vector(const ig_value *value) {
  return value->dtype == IG_F32 || value->dtype == IG_BF16 || value->dtype == IG_F16;
}

static const char *reject(const ig_node *node) {
  return is_vector(node->inputs[0]) ? reject_layout(node) : "not f32, bf16 or f16";
}

static bool is_known(const ig_value *value) {
  return value->dtype != IG_F64 && value->dtype <= IG_BOOL;
}

static const char *reject_others(const ig_node *node) {
  if (!is_known(node->inputs[0]) || !is_known(node->outputs[0])) return "an element type of the CPU's";
  return reject_layout(node);
}

static ig_status run(const ig_call *call, ig_unary kind, float a, float b) {
  const ig_value *y = call->node->outputs[0];
  return ig_cuda_unary(kind, y->dtype, call->in[0], call->out[0], ig_storage_count(y), a, b,
                       call->stream);
}

#define UNARY(stem, kind, a)                                                                       \
  static ig_status run_##stem(const ig_call *call) {                                               \
    return run(call, (kind), (a), 0);                                                              \
  }                                                                                                \
  static const ig_impl stem##_impls[] = {                                                          \
      {.name = "vector", .device = IG_CUDA, .reject = reject, .run = run_##stem}, {0}};

static ig_unary gelu_kind(const ig_node *node) {
  bool tanh = strcmp(ig_attrs_of(node, "approximate").s, "tanh") == 0;
  return tanh ? IG_UNARY_GELU_TANH : IG_UNARY_GELU;
}

UNARY(tanh, IG_UNARY_TANH, 0)
UNARY(sigmoid, IG_UNARY_SIGMOID, 0)
UNARY(sqrt, IG_UNARY_SQRT, 0)
UNARY(exp, IG_UNARY_EXP, 0)
UNARY(log, IG_UNARY_LOG, 0)
UNARY(erf, IG_UNARY_ERF, 0)
UNARY(hard_swish, IG_UNARY_HARD_SWISH, 0)
UNARY(softplus, IG_UNARY_SOFTPLUS, 0)
UNARY(swish, IG_UNARY_SWISH, ig_attrs_of(call->node, "alpha").f)
UNARY(gelu, gelu_kind(call->node), 0)
UNARY(leaky_relu, IG_UNARY_LEAKY_RELU, ig_attrs_of(call->node, "alpha").f)

/* --- functions that integers have too, and the bounds of Clip ---------------------------------- */

static const void *input_or_null(const ig_call *call, int i) {
  return i < call->node->n_inputs ? call->in[i] : NULL;
}

static ig_status run_bounded(const ig_call *call, ig_unary kind) {
  const ig_value *y = call->node->outputs[0];
  return ig_cuda_unary_bounded(kind, y->dtype, call->in[0], input_or_null(call, 1),
                               input_or_null(call, 2), call->out[0], ig_storage_count(y),
                               call->stream);
}

#define BOUNDED(stem, kind)                                                                        \
  static ig_status run_##stem(const ig_call *call) {                                               \
    return run_bounded(call, (kind));                                                              \
  }                                                                                                \
  static const ig_impl stem##_impls[] = {                                                          \
      {.name = "vector", .device = IG_CUDA, .reject = reject_others, .run = run_##stem}, {0}};

BOUNDED(relu, IG_UNARY_RELU)
BOUNDED(neg, IG_UNARY_NEG)
BOUNDED(abs, IG_UNARY_ABS)
BOUNDED(sign, IG_UNARY_SIGN)
BOUNDED(clip, IG_UNARY_CLIP)
BOUNDED(not, IG_UNARY_NOT)

/* --- gradients, conversion --------------------------------------------------------------------- */

static const char *reject_grad(const ig_node *node) {
  if (ig_unary_grad_kind(ig_attrs_of(node, "of").s) >= IG_UNARY_NOT) return "a function of the CPU's";
  if (node->inputs[0]->layout != node->inputs[1]->layout) return "operands differ in memory layout";
  return reject(node);
}

static ig_status run_grad(const ig_call *call) {
  const ig_value *dx = call->node->outputs[0];
  return ig_cuda_unary_grad(ig_unary_grad_kind(ig_attrs_of(call->node, "of").s), dx->dtype,
                            call->in[0], call->in[1], call->out[0], ig_storage_count(dx),
                            ig_attrs_of(call->node, "alpha").f, input_or_null(call, 2),
                            input_or_null(call, 3), call->stream);
}

static const ig_impl grad_impls[] = {
    {.name = "vector", .device = IG_CUDA, .reject = reject_grad, .run = run_grad}, {0}};

static ig_status run_cast(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  return ig_cuda_convert(x->dtype, call->in[0], y->dtype, call->out[0], ig_storage_count(y),
                         call->stream);
}

static const ig_impl cast_impls[] = {
    {.name = "vector", .device = IG_CUDA, .reject = reject_others, .run = run_cast}, {0}};

static const struct ig_op_impls ops[] = {
    {"Relu", relu_impls},
    {"Tanh", tanh_impls},
    {"Sigmoid", sigmoid_impls},
    {"Sqrt", sqrt_impls},
    {"Exp", exp_impls},
    {"Log", log_impls},
    {"Erf", erf_impls},
    {"HardSwish", hard_swish_impls},
    {"Softplus", softplus_impls},
    {"Swish", swish_impls},
    {"Gelu", gelu_impls},
    {"LeakyRelu", leaky_relu_impls},
    {"Neg", neg_impls},
    {"Abs", abs_impls},
    {"Sign", sign_impls},
    {"Clip", clip_impls},
    {"Not", not_impls},
    {"ingot.UnaryGrad", grad_impls},
    {"Cast", cast_impls},
    {0},
};

const ig_device_ops ig_cuda_ops_unary = {.ops = ops};
