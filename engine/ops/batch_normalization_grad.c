/* ingot.BatchNormalizationGrad: inputs dy, x, scale, mean and variance; outputs dx, dscale and dbias.
 * In training mode the statistics are the batch's and depend on x. With `relu`, dy counts where the
 * result was positive: found from the optional inputs y (input 6), or bias (input 5) and x; output 3
 * is dy so masked, the gradient of a residual. */
#include "engine/ops/batch_norm.h"

enum { BIAS = 5, RESULT = 6 };

static const ig_attr_field batch_normalization_grad_fields[] = {
    IG_FIELD_FLOAT(ig_batch_norm_attrs, epsilon, 1e-5f),
    IG_FIELD_INT(ig_batch_norm_attrs, training_mode, 1),
    IG_FIELD_INT(ig_batch_norm_attrs, relu, 0),
    {.name = NULL},
};

static bool has(const ig_node *node, int input) {
  return node->n_inputs > input && node->inputs[input];
}

static ig_status batch_normalization_grad_infer(ig_node *node) {
  const ig_value *x = node->inputs[1], *scale = node->inputs[2];
  IG_TRY(ig_batch_norm_check(node, x, 2, has(node, BIAS) ? 6 : 5));
  IG_TRY(ig_batch_norm_check_like(node, x, 0));
  IG_TRY(ig_batch_norm_check_like(node, x, RESULT));
  IG_CHECK(node->inputs[3]->dtype == node->inputs[4]->dtype, IG_ERR_SHAPE,
           "mean and variance must have equal types");
  bool relu = IG_ATTRS_OF(ig_batch_norm_attrs, node)->relu != 0;
  IG_CHECK(!relu || has(node, BIAS) || has(node, RESULT), IG_ERR_SHAPE,
           "relu needs the bias or the result");
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  IG_TRY(ig_infer_set(node, 1, scale->dtype, &scale->shape));
  IG_TRY(ig_infer_set(node, 2, scale->dtype, &scale->shape));
  return ig_infer_set(node, 3, x->dtype, &x->shape);
}

static size_t batch_normalization_grad_workspace(const ig_node *node) {
  ig_batch_norm norm = ig_batch_norm_of(node, node->inputs[1]);
  return ig_cpu_batch_norm_workspace(&norm);
}

static ig_status batch_normalization_grad_run(const ig_call *call) {
  const ig_node *node = call->node;
  ig_batch_norm norm = ig_batch_norm_of(node, node->inputs[1]);
  ig_batch_norm_backward t = {.dy = call->in[0],
                              .x = call->in[1],
                              .scale = call->in[2],
                              .mean = call->in[3],
                              .variance = call->in[4],
                              .bias = has(node, BIAS) ? call->in[BIAS] : NULL,
                              .y = has(node, RESULT) ? call->in[RESULT] : NULL,
                              .dx = call->out[0],
                              .dscale = call->out[1],
                              .dbias = call->out[2],
                              .dresidual = node->n_outputs > 3 ? call->out[3] : NULL,
                              .batch_stats =
                                  IG_ATTRS_OF(ig_batch_norm_attrs, node)->training_mode != 0};
  ig_cpu_batch_norm_grad_f32(&norm, &t, call->workspace);
  return IG_OK;
}

static ig_status batch_normalization_grad_reference(const ig_call *call) {
  const ig_node *node = call->node;
  ig_batch_norm norm = ig_batch_norm_of(node, node->inputs[1]);
  ig_batch_norm_any t = {.dy = call->in[0],
                         .x = call->in[1],
                         .scale = call->in[2],
                         .mean = (void *)call->in[3],
                         .variance = (void *)call->in[4],
                         .bias = has(node, BIAS) ? call->in[BIAS] : NULL,
                         .y = has(node, RESULT) ? call->in[RESULT] : NULL,
                         .dx = call->out[0],
                         .dscale = call->out[1],
                         .dbias = call->out[2],
                         .dresidual = node->n_outputs > 3 ? call->out[3] : NULL,
                         .batch_stats = IG_ATTRS_OF(ig_batch_norm_attrs, node)->training_mode != 0};
  ig_cpu_batch_norm_grad_reference(
      &norm, ig_batch_norm_types_of(node->inputs[1], node->inputs[2], node->inputs[3]), &t);
  return IG_OK;
}

/* Sums 4, dx 4 an element, the mask 2 in each. */
static ig_cost batch_normalization_grad_cost(const ig_node *node) {
  int each = IG_ATTRS_OF(ig_batch_norm_attrs, node)->relu ? 12 : 8;
  return (ig_cost){each * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
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
    .n_in = {5, 7},
    .n_out = {3, 4},
    .flags = IG_OP_PURE | IG_OP_INPLACE | IG_OP_LAYOUT,
    .attrs = batch_normalization_grad_fields,
    .attrs_size = sizeof(ig_batch_norm_attrs),
    .infer = batch_normalization_grad_infer,
    .cost = batch_normalization_grad_cost,
    .impls = batch_normalization_grad_impls,
};
