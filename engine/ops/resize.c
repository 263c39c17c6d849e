/* Resize: nearest, linear or cubic interpolation along any axes, with ONNX's coordinate
 * transformations and antialiasing. */
#include "engine/ops/resize.h"

static const ig_attr_field resize_fields[] = {
    IG_FIELD_INT(ig_resize_attrs, antialias, 0),
    IG_FIELD_INTS(ig_resize_attrs, axes),
    IG_FIELD_STRING(ig_resize_attrs, coordinate_transformation_mode, "half_pixel"),
    IG_FIELD_FLOAT(ig_resize_attrs, cubic_coeff_a, -0.75f),
    IG_FIELD_INT(ig_resize_attrs, exclude_outside, 0),
    IG_FIELD_FLOAT(ig_resize_attrs, extrapolation_value, 0),
    IG_FIELD_STRING(ig_resize_attrs, keep_aspect_ratio_policy, "stretch"),
    IG_FIELD_STRING(ig_resize_attrs, mode, "nearest"),
    IG_FIELD_STRING(ig_resize_attrs, nearest_mode, "round_prefer_floor"),
    {.name = NULL},
};

static ig_status resize_infer(ig_node *node) {
  ig_resize resize;
  IG_TRY(ig_resize_of(node, &node->inputs[0]->shape, &resize));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &resize.out);
}

static void resize_grad(const ig_grad *grad) {
  const ig_node *node = grad->node;
  const ig_resize_attrs *a = IG_ATTRS_OF(ig_resize_attrs, node);
  const ig_shape *in = &node->inputs[0]->shape;
  ig_value *inputs[4] = {grad->dy[0]};
  for (int i = 1; i < node->n_inputs; i++) inputs[i] = node->inputs[i];
  grad->dx[0] = ig_op1(
      grad->graph, "ingot.ResizeGrad", NULL, node->n_inputs, inputs,
      IG_ATTRS(IG_INT("antialias", a->antialias), IG_INTS("axes", a->axes.n, a->axes.v),
               IG_STRING("coordinate_transformation_mode", a->coordinate_transformation_mode),
               IG_FLOAT("cubic_coeff_a", a->cubic_coeff_a),
               IG_INT("exclude_outside", a->exclude_outside),
               IG_STRING("keep_aspect_ratio_policy", a->keep_aspect_ratio_policy),
               IG_STRING("mode", a->mode), IG_STRING("nearest_mode", a->nearest_mode),
               IG_INTS("shape", in->rank, in->dims)));
}

static size_t resize_workspace(const ig_node *node) {
  ig_resize resize;
  if (ig_resize_of(node, &node->inputs[0]->shape, &resize) != IG_OK) return 0;
  return ig_resize_workspace(&resize, node->inputs[0]->dtype == IG_F32 ? 4 : 8);
}

static ig_status resize_run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  ig_resize resize;
  IG_TRY(ig_resize_of(call->node, &x->shape, &resize));
  ig_resize_run(&resize, x->dtype, false, call->in[0], call->out[0], call->workspace);
  return IG_OK;
}

/* A product and a sum for each neighbour of an output element; four for lines, as a measure. */
static ig_cost resize_cost(const ig_node *node) {
  return (ig_cost){8.0 * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl resize_impls[] = {
    {.name = "cpu", .device = IG_CPU, .workspace = resize_workspace, .run = resize_run},
    {.name = NULL},
};

const ig_op ig_op_resize = {
    .name = "Resize",
    .since = 19,
    .n_in = {1, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = resize_fields,
    .attrs_size = sizeof(ig_resize_attrs),
    .infer = resize_infer,
    .grad = resize_grad,
    .cost = resize_cost,
    .settings = 1 << 1 | 1 << 2,
    .impls = resize_impls,
};
