/* Linear quantization on a GPU. */
#include "engine/ops/quantize.h"

static ig_status run_quantize(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_quantize q = ig_quantize_of(node, node->inputs[0], node->outputs[0]);
  return ig_cuda_quantize(&q, call->in[0], call->in[1], ig_quantize_zero(call), call->out[0],
                          call->stream);
}

static ig_status run_dequantize(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_quantize q = ig_quantize_of(node, node->outputs[0], node->inputs[0]);
  return ig_cuda_dequantize(&q, call->in[0], call->in[1], ig_quantize_zero(call), call->out[0],
                            call->stream);
}

static const char *reject_quantize(const ig_node *node) {
  const char *reason = ig_quantize_reject(node, node->inputs[0], node->outputs[0], true);
  return reason ? "numbers, scales or results of types of the CPU's" : NULL;
}

static const char *reject_dequantize(const ig_node *node) {
  const char *reason = ig_quantize_reject(node, node->outputs[0], node->inputs[0], true);
  return reason ? "numbers, scales or results of types of the CPU's" : NULL;
}

static size_t dynamic_workspace(const ig_node *node) {
  IG_UNUSED(node);
  return IG_CUDA_QUANTIZE_DYNAMIC;
}

static ig_status run_dynamic(const ig_call *call) {
  return ig_cuda_quantize_dynamic(call->in[0], ig_value_count(call->node->inputs[0]), call->out[0],
                                  call->out[1], call->out[2], call->workspace, call->stream);
}

static const ig_impl quantize_impls[] = {
    {.name = "packs", .device = IG_CUDA, .reject = reject_quantize, .run = run_quantize}, {0}};
static const ig_impl dequantize_impls[] = {
    {.name = "packs", .device = IG_CUDA, .reject = reject_dequantize, .run = run_dequantize}, {0}};
static const ig_impl dynamic_impls[] = {
    {.name = "packs", .device = IG_CUDA, .workspace = dynamic_workspace, .run = run_dynamic}, {0}};

static const struct ig_op_impls ops[] = {
    {"QuantizeLinear", quantize_impls},
    {"DequantizeLinear", dequantize_impls},
    {"DynamicQuantizeLinear", dynamic_impls},
    {0},
};

const ig_device_ops ig_cuda_ops_quantize = {.ops = ops};
