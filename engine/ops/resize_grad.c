/* ingot.ResizeGrad: the transpose of a Resize whose input had shape `shape`: inputs dy, roi, scales
 * and sizes. */
#include "engine/ops/resize.h"

static const ig_attr_field resize_grad_fields[] = {
    IG_FIELD_INT(ig_resize_attrs, antialias, 0),
    IG_FIELD_INTS(ig_resize_attrs, axes),
    IG_FIELD_STRING(ig_resize_attrs, coordinate_transformation_mode, "half_pixel"),
    IG_FIELD_FLOAT(ig_resize_attrs, cubic_coeff_a, -0.75f),
    IG_FIELD_INT(ig_resize_attrs, exclude_outside, 0),
    IG_FIELD_STRING(ig_resize_attrs, keep_aspect_ratio_policy, "stretch"),
    IG_FIELD_STRING(ig_resize_attrs, mode, "nearest"),
    IG_FIELD_STRING(ig_resize_attrs, nearest_mode, "round_prefer_floor"),
    IG_FIELD_INTS(ig_resize_attrs, shape),
    {.name = NULL},
};

static ig_status resize_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0];
  ig_resize resize;
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_resize_of_node(node, true, &resize));
  IG_CHECK(ig_shape_equal(&resize.out, &dy->shape), IG_ERR_SHAPE, "dy is %s, the resized %s",
           IG_SHAPE_STR(&dy->shape), IG_SHAPE_STR(&resize.out));
  return ig_infer_set(node, 0, dy->dtype, &resize.in);
}

static size_t resize_grad_workspace(const ig_node *node) {
  ig_resize resize;
  if (ig_resize_of_node(node, true, &resize) != IG_OK) return 0;
  return ig_resize_workspace(&resize, node->inputs[0]->dtype == IG_F32 ? 4 : 8);
}

static ig_status resize_grad_run(const ig_call *call) {
  ig_resize resize;
  IG_TRY(ig_resize_of_node(call->node, true, &resize));
  ig_resize_run(&resize, call->node->inputs[0]->dtype, true, call->in[0], call->out[0],
                call->workspace);
  return IG_OK;
}

static ig_cost resize_grad_cost(const ig_node *node) {
  return (ig_cost){8.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl resize_grad_impls[] = {
    {.name = "cpu", .device = IG_CPU, .workspace = resize_grad_workspace, .run = resize_grad_run},
    {.name = NULL},
};

const ig_op ig_op_resize_grad = {
    .name = "ingot.ResizeGrad",
    .n_in = {1, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = resize_grad_fields,
    .attrs_size = sizeof(ig_resize_attrs),
    .infer = resize_grad_infer,
    .cost = resize_grad_cost,
    .impls = resize_grad_impls,
};
