/* Observers on a GPU. */
#include "engine/ops/op.h"
#include "kernels/observe.h"

static const char *reject(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  if (x->dtype == IG_F64) return "f64 is the CPU's";
  return x->layout == IG_LAYOUT_BLOCK16 ? "blocks of channels are the CPU's" : NULL;
}

static size_t workspace(const ig_node *node) {
  IG_UNUSED(node);
  return sizeof(ig_extremes);
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  return ig_cuda_observe(x->dtype, call->in[0], ig_value_count(x), call->in[1], call->out[0],
                         call->workspace, call->stream);
}

static const ig_impl impls[] = {
    {.name = "packs", .device = IG_CUDA, .reject = reject, .workspace = workspace, .run = run},
    {0}};

static const struct ig_op_impls ops[] = {{"ingot.Observe", impls}, {0}};

const ig_device_ops ig_cuda_ops_observe = {.ops = ops};
