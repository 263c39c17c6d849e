/* Convolutions on a GPU. */
#include "engine/ops/conv_forward.h"

static const ig_value *input_of(const ig_node *node, int i) {
  return node->n_inputs > i ? node->inputs[i] : NULL;
}

static const char *reject(const ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  if (dtype != IG_F32 && dtype != IG_BF16 && dtype != IG_F16) return "not f32, bf16 or f16";
  for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    if (v && v->layout == IG_LAYOUT_BLOCK16) return "blocks of channels are for the CPU";
    for (int d = 0; v && d < v->shape.rank; d++) {
      if (v->shape.dims[d] > INT32_MAX) return "an extent of 2^31 or more";
    }
  }
  return ig_conv_reject_reference(node);
}

static const char *reject_forward(const ig_node *node) {
  const ig_value *z = input_of(node, 3);
  if (z && z->layout != node->outputs[0]->layout) {
    return "input 3 is in another layout than the result";
  }
  return reject(node);
}

static ig_status run_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_forward_describe(call->node, &spec));
  return ig_cuda_conv_reference(&spec, call->in[0], call->in[1], spec.bias ? call->in[2] : NULL,
                                spec.sum ? call->in[3] : NULL, call->out[0], call->stream);
}

static ig_status run_src_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_grad_input_describe(call->node, &spec));
  return ig_cuda_conv_src_reference(&spec, call->in[0], call->in[1], NULL, call->out[0],
                                    call->stream);
}

static ig_status run_transpose_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_transpose_describe(call->node, &spec));
  return ig_cuda_conv_src_reference(&spec, call->in[0], call->in[1],
                                    input_of(call->node, 2) ? call->in[2] : NULL, call->out[0],
                                    call->stream);
}

static ig_status run_weights_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_grad_weight_describe(call->node, &spec));
  return ig_cuda_conv_weights_reference(&spec, call->in[0], call->in[1], call->out[0],
                                        spec.bias ? call->out[1] : NULL, call->stream);
}

static const ig_impl forward_impls[] = {
    {.name = "reference", .device = IG_CUDA, .reject = reject_forward, .run = run_reference}, {0}};
static const ig_impl src_impls[] = {
    {.name = "reference", .device = IG_CUDA, .reject = reject, .run = run_src_reference}, {0}};
static const ig_impl transpose_impls[] = {
    {.name = "reference", .device = IG_CUDA, .reject = reject, .run = run_transpose_reference},
    {0}};
static const ig_impl weights_impls[] = {
    {.name = "reference", .device = IG_CUDA, .reject = reject, .run = run_weights_reference}, {0}};

static const struct ig_op_impls ops[] = {{"Conv", forward_impls},
                                         {"ingot.FusedConv", forward_impls},
                                         {"ingot.ConvGradInput", src_impls},
                                         {"ConvTranspose", transpose_impls},
                                         {"ingot.ConvGradWeight", weights_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_conv = {.ops = ops};
