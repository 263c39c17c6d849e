/* Quantization as training sees it, on a GPU. */
#include "engine/ops/fake_quantize.h"

static ig_status run(const ig_call *call) {
  const ig_node *node = call->node;
  ig_fake_quantize q = ig_fake_quantize_of(node, node->inputs[0], node->inputs[1]);
  return ig_cuda_fake_quantize(&q, call->in[0], call->in[1], call->out[0], call->stream);
}

static size_t grad_workspace(const ig_node *node) {
  ig_fake_quantize q = ig_fake_quantize_of(node, node->inputs[1], node->inputs[2]);
  return ig_cuda_fake_quantize_grad_workspace(&q);
}

static ig_status run_grad(const ig_call *call) {
  const ig_node *node = call->node;
  ig_fake_quantize q = ig_fake_quantize_of(node, node->inputs[1], node->inputs[2]);
  return ig_cuda_fake_quantize_grad(&q, call->in[0], call->in[1], call->in[2], call->out[0],
                                    call->out[1], call->workspace, call->stream);
}

static const ig_impl impls[] = {{.name = "channels", .device = IG_CUDA, .run = run}, {0}};
static const ig_impl grad_impls[] = {
    {.name = "channels", .device = IG_CUDA, .workspace = grad_workspace, .run = run_grad}, {0}};

static const struct ig_op_impls ops[] = {
    {"ingot.FakeQuantize", impls}, {"ingot.FakeQuantizeGrad", grad_impls}, {0}};

const ig_device_ops ig_cuda_ops_fake_quantize = {.ops = ops};
