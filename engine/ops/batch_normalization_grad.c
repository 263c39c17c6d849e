/* ingot.BatchNormalizationGrad: inputs dy, x, scale, mean and variance; outputs dx, dscale and dbias.
 * In training mode the statistics are the batch's and depend on x. */
#include "engine/ops/batch_norm.h"

typedef struct batch_normalization_grad_attrs {
  float epsilon;
  int64_t training_mode;
} batch_normalization_grad_attrs;

static const ig_attr_field batch_normalization_grad_fields[] = {
    IG_FIELD_FLOAT(batch_normalization_grad_attrs, epsilon, 1e-5f),
    IG_FIELD_INT(batch_normalization_grad_attrs, training_mode, 1),
    {.name = NULL},
};

static ig_status batch_normalization_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *x = node->inputs[1], *scale = node->inputs[2];
  IG_TRY(ig_batch_norm_check(node, x, 2, 5));
  IG_CHECK(dy->dtype == x->dtype && ig_shape_equal(&dy->shape, &x->shape), IG_ERR_SHAPE,
           "dy %s %s differs from x %s %s", ig_dtype_name(dy->dtype), IG_SHAPE_STR(&dy->shape),
           ig_dtype_name(x->dtype), IG_SHAPE_STR(&x->shape));
  IG_CHECK(node->inputs[3]->dtype == node->inputs[4]->dtype, IG_ERR_SHAPE,
           "mean and variance must have equal types");
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  IG_TRY(ig_infer_set(node, 1, scale->dtype, &scale->shape));
  return ig_infer_set(node, 2, scale->dtype, &scale->shape);
}

static ig_batch_norm shape_of(const ig_node *node) {
  float epsilon = IG_ATTRS_OF(batch_normalization_grad_attrs, node)->epsilon;
  return (ig_batch_norm){.at = ig_channels_of(node->inputs[1]), .epsilon = (double)epsilon};
}

static size_t batch_normalization_grad_workspace(const ig_node *node) {
  ig_batch_norm norm = shape_of(node);
  return ig_cpu_batch_norm_workspace(&norm);
}

static ig_status batch_normalization_grad_run(const ig_call *call) {
  ig_batch_norm norm = shape_of(call->node);
  ig_batch_norm_backward t = {
      .dy = call->in[0],
      .x = call->in[1],
      .scale = call->in[2],
      .mean = call->in[3],
      .variance = call->in[4],
      .dx = call->out[0],
      .dscale = call->out[1],
      .dbias = call->out[2],
      .batch_stats = IG_ATTRS_OF(batch_normalization_grad_attrs, call->node)->training_mode != 0};
  ig_cpu_batch_norm_grad_f32(&norm, &t, call->workspace);
  return IG_OK;
}

static ig_status batch_normalization_grad_reference(const ig_call *call) {
  const ig_node *node = call->node;
  ig_batch_norm norm = shape_of(node);
  ig_batch_norm_any t = {.dy = call->in[0],
                         .x = call->in[1],
                         .scale = call->in[2],
                         .mean = (void *)call->in[3],
                         .variance = (void *)call->in[4],
                         .dx = call->out[0],
                         .dscale = call->out[1],
                         .dbias = call->out[2],
                         .batch_stats =
                             IG_ATTRS_OF(batch_normalization_grad_attrs, node)->training_mode != 0};
  ig_cpu_batch_norm_grad_reference(
      &norm, ig_batch_norm_types_of(node->inputs[1], node->inputs[2], node->inputs[3]), &t);
  return IG_OK;
}

/* Sums 4, dx 4 an element. */
static ig_cost batch_normalization_grad_cost(const ig_node *node) {
  return (ig_cost){8.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl batch_normalization_grad_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .reject = ig_batch_norm_reject,
     .workspace = batch_normalization_grad_workspace,
     .run = batch_normalization_grad_run},
    {.name = "reference",
     .device = IG_CPU,
     .reject = ig_batch_norm_reject_layouts,
     .run = batch_normalization_grad_reference},
    {.name = NULL},
};

const ig_op ig_op_batch_normalization_grad = {
    .name = "ingot.BatchNormalizationGrad",
    .n_in = {5, 5},
    .n_out = {3, 3},
    .flags = IG_OP_PURE | IG_OP_INPLACE | IG_OP_LAYOUT,
    .attrs = batch_normalization_grad_fields,
    .attrs_size = sizeof(batch_normalization_grad_attrs),
    .infer = batch_normalization_grad_infer,
    .cost = batch_normalization_grad_cost,
    .impls = batch_normalization_grad_impls,
};
