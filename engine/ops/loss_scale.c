/* ingot.LossScale: what a loss is multiplied by in front of its gradients, so that small ones do not
 * vanish in f16 (Micikevicius et al., ICLR 2018, section 3.2; adjusted as in torch.amp.GradScaler).
 * Inputs are the scale, the number of steps since it last changed, and the norm of the scaled
 * gradients; outputs are the next scale and number. A norm that is not finite halves the scale, down
 * to 1; `interval` finite ones in a row double it, up to 2^24. */
#include <math.h>

#include "engine/ops/update.h"

static const ig_attr_field loss_scale_fields[] = {
    IG_FIELD_INT(ig_loss_scale_attrs, interval, 2000),
    {.name = NULL},
};

static ig_status loss_scale_infer(ig_node *node) {
  int64_t interval = IG_ATTRS_OF(ig_loss_scale_attrs, node)->interval;
  IG_CHECK(interval >= 1 && interval <= 1 << 20, IG_ERR_USAGE,
           "attribute interval is %lld, expected 1 to %d", (long long)interval, 1 << 20);
  for (int i = 0; i < 3; i++) {
    const ig_value *v = node->inputs[i];
    IG_CHECK(v && v->dtype == IG_F32 && ig_value_count(v) == 1, IG_ERR_SHAPE,
             "input %d must be one f32, found %s %s", i, ig_dtype_name(v ? v->dtype : IG_NONE),
             v ? IG_SHAPE_STR(&v->shape) : "nothing");
  }
  for (int i = 0; i < 2; i++) {
    IG_TRY(ig_infer_set(node, i, IG_F32, &node->inputs[i]->shape));
  }
  return IG_OK;
}

static ig_status loss_scale_run(const ig_call *call) {
  float scale = *(const float *)call->in[0], steps = *(const float *)call->in[1];
  float interval = (float)IG_ATTRS_OF(ig_loss_scale_attrs, call->node)->interval;
  bool finite = isfinite(*(const float *)call->in[2]), doubles = finite && steps + 1 >= interval;
  if (!finite) scale = fmaxf(scale / 2, IG_LOSS_SCALE_LEAST);
  if (doubles) scale = fminf(scale * 2, IG_LOSS_SCALE_MOST);
  *(float *)call->out[0] = scale;
  *(float *)call->out[1] = finite && !doubles ? steps + 1 : 0;
  return IG_OK;
}

static const ig_impl loss_scale_impls[] = {
    {.name = "cpu", .device = IG_CPU, .run = loss_scale_run},
    {.name = NULL},
};

const ig_op ig_op_loss_scale = {
    .name = "ingot.LossScale",
    .n_in = {3, 3},
    .n_out = {2, 2},
    .flags = IG_OP_PURE,
    .attrs = loss_scale_fields,
    .attrs_size = sizeof(ig_loss_scale_attrs),
    .infer = loss_scale_infer,
    .cost = ig_cost_elementwise,
    .impls = loss_scale_impls,
};
