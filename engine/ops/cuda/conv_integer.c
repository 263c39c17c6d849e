/* Convolutions of 8-bit integers on a GPU. */
#include "engine/ops/integer_convolution.h"

static const char *reject(const ig_node *node, const ig_integer_operands *which) {
  ig_conv_integer spec;
  const char *reason = ig_integer_conv_reject(node);
  if (reason) return reason;
  bool known = ig_integer_conv_describe(node, which, &spec) == IG_OK;
  return known ? ig_cuda_conv_declines(&spec.conv, false) : "not described";
}

static size_t workspace(const ig_node *node, const ig_integer_operands *which) {
  ig_conv_integer spec;
  bool known = ig_integer_conv_describe(node, which, &spec) == IG_OK;
  return known ? ig_cuda_conv_integer_workspace(&spec) : 0;
}

static ig_status run(const ig_call *call, const ig_integer_operands *which, bool requantizes,
                     bool fast) {
  ig_conv_integer spec;
  ig_conv_integer_in in;
  ig_conv_requantize y;
  IG_TRY(ig_integer_conv_gather(call, which, &spec, &in));
  if (requantizes) y = ig_integer_conv_requantize(call);
  const ig_conv_requantize *end = requantizes ? &y : NULL;
  return fast ? ig_cuda_conv_integer(&spec, &in, end, call->out[0], call->workspace, call->stream)
              : ig_cuda_conv_integer_reference(&spec, &in, end, call->out[0], call->stream);
}

/* --- ConvInteger ------------------------------------------------------------------------------ */

static const char *reject_sums(const ig_node *node) {
  return reject(node, &ig_conv_integer_operands);
}

static size_t workspace_sums(const ig_node *node) {
  return workspace(node, &ig_conv_integer_operands);
}

static ig_status run_sums(const ig_call *call) {
  return run(call, &ig_conv_integer_operands, false, true);
}

static ig_status run_sums_reference(const ig_call *call) {
  return run(call, &ig_conv_integer_operands, false, false);
}

static const ig_impl sums_impls[] = {
    {.name = "tensor_cores",
     .device = IG_CUDA,
     .reject = reject_sums,
     .workspace = workspace_sums,
     .run = run_sums},
    {.name = "reference",
     .device = IG_CUDA,
     .reject = ig_integer_conv_reject,
     .run = run_sums_reference},
    {0},
};

/* --- QLinearConv ------------------------------------------------------------------------------ */

static const char *reject_quantized(const ig_node *node) {
  return reject(node, &ig_q_linear_mat_mul_operands);
}

static size_t workspace_quantized(const ig_node *node) {
  return workspace(node, &ig_q_linear_mat_mul_operands);
}

static ig_status run_quantized(const ig_call *call) {
  return run(call, &ig_q_linear_mat_mul_operands, true, true);
}

static ig_status run_quantized_reference(const ig_call *call) {
  return run(call, &ig_q_linear_mat_mul_operands, true, false);
}

static const ig_impl quantized_impls[] = {
    {.name = "tensor_cores",
     .device = IG_CUDA,
     .reject = reject_quantized,
     .workspace = workspace_quantized,
     .run = run_quantized},
    {.name = "reference",
     .device = IG_CUDA,
     .reject = ig_integer_conv_reject,
     .run = run_quantized_reference},
    {0},
};

static const struct ig_op_impls ops[] = {
    {"ConvInteger", sums_impls}, {"QLinearConv", quantized_impls}, {0}};

const ig_device_ops ig_cuda_ops_conv_integer = {.ops = ops};
