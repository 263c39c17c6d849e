/* ingot.ClipFactor: what gradients of this global norm are multiplied by so that it is at most
 * max_norm: min(1, max_norm / (norm + 1e-6)), as in torch.nn.utils.clip_grad_norm_. A norm that is not
 * finite gives NaN, on which updates leave everything as it is. */
#include <math.h>

#include "engine/ops/op.h"

typedef struct clip_factor_attrs {
  float max_norm;
} clip_factor_attrs;

static const ig_attr_field clip_factor_fields[] = {
    IG_FIELD_FLOAT(clip_factor_attrs, max_norm, 1),
    {.name = NULL},
};

static ig_status clip_factor_infer(ig_node *node) {
  const ig_value *norm = node->inputs[0];
  IG_CHECK(norm->dtype == IG_F32 && ig_value_count(norm) == 1, IG_ERR_SHAPE,
           "the norm must be one f32, found %s %s", ig_dtype_name(norm->dtype),
           IG_SHAPE_STR(&norm->shape));
  return ig_infer_same(node);
}

static ig_status clip_factor_run(const ig_call *call) {
  float norm = *(const float *)call->in[0];
  float factor = IG_ATTRS_OF(clip_factor_attrs, call->node)->max_norm / (norm + 1e-6f);
  *(float *)call->out[0] = isfinite(norm) ? fminf(factor, 1) : NAN;
  return IG_OK;
}

static const ig_impl clip_factor_impls[] = {
    {.name = "cpu",           .device = IG_CPU, .run = clip_factor_run},
    {.name = NULL},
};

const ig_op ig_op_clip_factor = {
    .name = "ingot.ClipFactor",
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = clip_factor_fields,
    .attrs_size = sizeof(clip_factor_attrs),
    .infer = clip_factor_infer,
    .cost = ig_cost_elementwise,
    .impls = clip_factor_impls,
};
