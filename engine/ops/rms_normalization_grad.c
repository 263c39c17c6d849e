/* ingot.RMSNormalizationGrad: inputs dy, x, scale and the reciprocal of the root mean square; outputs
 * dx and dscale. */
#include "engine/ops/row_norm.h"

typedef struct rms_normalization_grad_attrs {
  int64_t axis;
} rms_normalization_grad_attrs;

static const ig_attr_field rms_normalization_grad_fields[] = {
    IG_FIELD_INT(rms_normalization_grad_attrs, axis, -1),
    {.name = NULL},
};

static ig_status shape_of(const ig_node *node, ig_row_norm *out, ig_shape *stats) {
  return ig_row_norm_shape(node->inputs[1], IG_ATTRS_OF(rms_normalization_grad_attrs, node)->axis,
                           false, 0, out, stats);
}

static ig_status rms_normalization_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *x = node->inputs[1], *scale = node->inputs[2];
  ig_row_norm norm;
  ig_shape stats;
  IG_TRY(shape_of(node, &norm, &stats));
  IG_CHECK(dy->dtype == x->dtype && ig_shape_equal(&dy->shape, &x->shape), IG_ERR_SHAPE,
           "dy %s differs from x %s", IG_SHAPE_STR(&dy->shape), IG_SHAPE_STR(&x->shape));
  IG_TRY(ig_row_norm_check(node, x, 2, "scale", norm.columns));
  IG_TRY(ig_row_norm_check_stats(node, 3, &stats));
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  return ig_infer_set(node, 1, x->dtype, &scale->shape);
}

static size_t rms_normalization_grad_workspace(const ig_node *node) {
  ig_row_norm norm = {0};
  return shape_of(node, &norm, NULL) == IG_OK ? ig_cpu_row_norm_grad_workspace(&norm) : 0;
}

static ig_row_norm_backward operands(const ig_call *call) {
  return (ig_row_norm_backward){.dy = call->in[0],
                                .x = call->in[1],
                                .scale = call->in[2],
                                .invstd = call->in[3],
                                .dx = call->out[0],
                                .dscale = call->out[1]};
}

static ig_status rms_normalization_grad_run(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_backward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_grad_f32(&norm, &t, call->workspace);
  return IG_OK;
}

static ig_status rms_normalization_grad_reference(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_backward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_grad_reference(call->node->inputs[0]->dtype, ig_row_norm_stats(call->node), &norm,
                                 &t, call->workspace);
  return IG_OK;
}

/* Sums 6, dx 5 an element. */
static ig_cost rms_normalization_grad_cost(const ig_node *node) {
  return (ig_cost){11.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl rms_normalization_grad_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .reject = ig_reject_not_f32,
     .workspace = rms_normalization_grad_workspace,
     .run = rms_normalization_grad_run},
    {.name = "reference",
     .device = IG_CPU,
     .workspace = rms_normalization_grad_workspace,
     .run = rms_normalization_grad_reference},
    {.name = NULL},
};

const ig_op ig_op_rms_normalization_grad = {
    .name = "ingot.RMSNormalizationGrad",
    .n_in = {4, 4},
    .n_out = {2, 2},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = rms_normalization_grad_fields,
    .attrs_size = sizeof(rms_normalization_grad_attrs),
    .infer = rms_normalization_grad_infer,
    .cost = rms_normalization_grad_cost,
    .impls = rms_normalization_grad_impls,
};
