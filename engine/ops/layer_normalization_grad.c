/* ingot.LayerNormalizationGrad: inputs dy, x, scale, mean, invstd and an optional tensor that is
 * added to dx (the gradient of a residual branch); outputs dx, dscale and, where there is a bias,
 * dbias. */
#include "engine/ops/row_norm.h"

typedef struct layer_normalization_grad_attrs {
  int64_t axis;
} layer_normalization_grad_attrs;

static const ig_attr_field layer_normalization_grad_fields[] = {
    IG_FIELD_INT(layer_normalization_grad_attrs, axis, -1),
    {.name = NULL},
};

static ig_status shape_of(const ig_node *node, ig_row_norm *out, ig_shape *stats) {
  return ig_row_norm_shape(node->inputs[1], IG_ATTRS_OF(layer_normalization_grad_attrs, node)->axis,
                           true, 0, out, stats);
}

static ig_status layer_normalization_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *x = node->inputs[1], *scale = node->inputs[2];
  const ig_value *extra = node->n_inputs > 5 ? node->inputs[5] : NULL;
  ig_row_norm norm;
  ig_shape stats;
  IG_TRY(shape_of(node, &norm, &stats));
  IG_CHECK(dy->dtype == x->dtype && ig_shape_equal(&dy->shape, &x->shape), IG_ERR_SHAPE,
           "dy %s differs from x %s", IG_SHAPE_STR(&dy->shape), IG_SHAPE_STR(&x->shape));
  IG_CHECK(!extra || (extra->dtype == x->dtype && ig_shape_equal(&extra->shape, &x->shape)),
           IG_ERR_SHAPE, "input 5 differs from x %s", IG_SHAPE_STR(&x->shape));
  IG_TRY(ig_row_norm_check(node, x, 2, "scale", norm.columns));
  IG_TRY(ig_row_norm_check_stats(node, 3, &stats));
  IG_TRY(ig_row_norm_check_stats(node, 4, &stats));
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  IG_TRY(ig_infer_set(node, 1, x->dtype, &scale->shape));
  return ig_infer_set(node, 2, x->dtype, &scale->shape);
}

static size_t layer_normalization_grad_workspace(const ig_node *node) {
  ig_row_norm norm = {0};
  return shape_of(node, &norm, NULL) == IG_OK ? ig_cpu_row_norm_grad_workspace(&norm) : 0;
}

static ig_row_norm_backward operands(const ig_call *call) {
  return (ig_row_norm_backward){.dy = call->in[0],
                                .x = call->in[1],
                                .scale = call->in[2],
                                .mean = call->in[3],
                                .invstd = call->in[4],
                                .extra = ig_row_norm_in(call, 5),
                                .dx = call->out[0],
                                .dscale = call->out[1],
                                .dbias = ig_row_norm_out(call, 2)};
}

static ig_status layer_normalization_grad_run(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_backward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_grad_f32(&norm, &t, call->workspace);
  return IG_OK;
}

static ig_status layer_normalization_grad_reference(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_backward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_grad_reference(call->node->inputs[0]->dtype, ig_row_norm_stats(call->node), &norm,
                                 &t, call->workspace);
  return IG_OK;
}

/* Sums 10, dx 7 an element. */
static ig_cost layer_normalization_grad_cost(const ig_node *node) {
  return (ig_cost){17.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl layer_normalization_grad_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .reject = ig_reject_not_f32,
     .workspace = layer_normalization_grad_workspace,
     .run = layer_normalization_grad_run},
    {.name = "reference",
     .device = IG_CPU,
     .workspace = layer_normalization_grad_workspace,
     .run = layer_normalization_grad_reference},
    {.name = NULL},
};

const ig_op ig_op_layer_normalization_grad = {
    .name = "ingot.LayerNormalizationGrad",
    .n_in = {5, 6},
    .n_out = {2, 3},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = layer_normalization_grad_fields,
    .attrs_size = sizeof(layer_normalization_grad_attrs),
    .infer = layer_normalization_grad_infer,
    .cost = layer_normalization_grad_cost,
    .impls = layer_normalization_grad_impls,
};
