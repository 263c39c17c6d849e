/* ingot.Reorder on a GPU. */
#include "engine/ops/op.h"
#include "kernels/conv.h"

static const char *reject(const ig_node *node) {
  bool blocks = node->inputs[0]->layout == IG_LAYOUT_BLOCK16 ||
                node->outputs[0]->layout == IG_LAYOUT_BLOCK16;
  return blocks ? "blocks of channels are for the CPU" : NULL;
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  return ig_cuda_reorder(ig_dtype_size(x->dtype), x->shape.dims, x->layout, y->layout, call->in[0],
                         call->out[0], call->stream);
}

static const ig_impl impls[] = {
    {.name = "tiles", .device = IG_CUDA, .reject = reject, .run = run}, {0}};
static const struct ig_op_impls ops[] = {{"ingot.Reorder", impls}, {0}};

const ig_device_ops ig_cuda_ops_reorder = {.ops = ops};
