/* ingot.Ema: the exponential moving average of a parameter. Inputs step (f32 scalar, 1 for the first),
 * parameter and average; the first step starts the average at the parameter, as
 * torch.optim.swa_utils.AveragedModel does. */
#include "engine/ops/op.h"
#include "kernels/optimizer.h"

typedef struct ema_attrs {
  float decay;
} ema_attrs;

static const ig_attr_field ema_fields[] = {
    IG_FIELD_FLOAT(ema_attrs, decay, 0.999f),
    {.name = NULL},
};

static ig_status ema_infer(ig_node *node) {
  const ig_value *step = node->inputs[0], *param = node->inputs[1], *average = node->inputs[2];
  IG_CHECK(step->dtype == IG_F32 && ig_value_count(step) == 1, IG_ERR_SHAPE,
           "step must be one f32, found %s %s", ig_dtype_name(step->dtype),
           IG_SHAPE_STR(&step->shape));
  IG_CHECK(param->dtype == IG_F32 && average->dtype == IG_F32 &&
               ig_shape_equal(&param->shape, &average->shape),
           IG_ERR_SHAPE, "parameter %s %s and average %s %s must be f32 alike",
           ig_dtype_name(param->dtype), IG_SHAPE_STR(&param->shape), ig_dtype_name(average->dtype),
           IG_SHAPE_STR(&average->shape));
  return ig_infer_set(node, 0, IG_F32, &param->shape);
}

static int ema_inplace(const ig_node *node, int output) {
  IG_UNUSED(node);
  return output == 0 ? 2 : -1;
}

static ig_status ema_run(const ig_call *call) {
  bool first = *(const float *)call->in[0] <= 1;
  double decay = first ? 0 : (double)IG_ATTRS_OF(ema_attrs, call->node)->decay;
  ig_cpu_ema(call->in[2], call->in[1], decay, ig_value_count(call->node->outputs[0]), call->out[0]);
  return IG_OK;
}

static ig_cost ema_cost(const ig_node *node) {
  return (ig_cost){3.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl ema_impls[] = {
    {.name = "simd",  .device = IG_CPU, .run = ema_run},
    {.name = NULL},
};

const ig_op ig_op_ema = {
    .name = "ingot.Ema",
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_UPDATE,
    .attrs = ema_fields,
    .attrs_size = sizeof(ema_attrs),
    .infer = ema_infer,
    .cost = ema_cost,
    .inplace = ema_inplace,
    .impls = ema_impls,
};
