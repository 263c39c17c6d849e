/* ingot.LossScale on a GPU. */
#include "engine/ops/update.h"

static ig_status run(const ig_call *call) {
  int64_t interval = IG_ATTRS_OF(ig_loss_scale_attrs, call->node)->interval;
  return ig_cuda_loss_scale(call->in[0], call->in[1], call->in[2], (float)interval, call->out[0],
                            call->out[1], call->stream);
}

static const ig_impl impls[] = {{.name = "scalar", .device = IG_CUDA, .run = run}, {0}};
static const struct ig_op_impls ops[] = {{"ingot.LossScale", impls}, {0}};

const ig_device_ops ig_cuda_ops_loss_scale = {.ops = ops};
