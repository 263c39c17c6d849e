/* LayerNormalization over the dimensions from `axis` on. Outputs Y, Mean and InvStdDev; statistics
 * are made in f32 (f64 for f64), whatever stash_type says of narrower types. */
#include "engine/ops/row_norm.h"

typedef struct layer_normalization_attrs {
  int64_t axis;
  float epsilon;
  int64_t stash_type;
} layer_normalization_attrs;

static const ig_attr_field layer_normalization_fields[] = {
    IG_FIELD_INT(layer_normalization_attrs, axis, -1),
    IG_FIELD_FLOAT(layer_normalization_attrs, epsilon, 1e-5f),
    IG_FIELD_INT(layer_normalization_attrs, stash_type, 1),
    {.name = NULL},
};

static ig_status shape_of(const ig_node *node, ig_row_norm *out, ig_shape *stats) {
  const layer_normalization_attrs *attrs = IG_ATTRS_OF(layer_normalization_attrs, node);
  return ig_row_norm_shape(node->inputs[0], attrs->axis, true, attrs->epsilon, out, stats);
}

static ig_status layer_normalization_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_row_norm norm;
  ig_shape stats;
  IG_TRY(shape_of(node, &norm, &stats));
  IG_TRY(ig_row_norm_check(node, x, 1, "scale", norm.columns));
  IG_TRY(ig_row_norm_check(node, x, 2, "bias", norm.columns));
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  IG_TRY(ig_infer_set(node, 1, ig_row_norm_stats(node), &stats));
  return ig_infer_set(node, 2, ig_row_norm_stats(node), &stats);
}

static void layer_normalization_grad(const ig_grad *grad) {
  ig_node *node = grad->node;
  ig_graph *graph = grad->graph;
  bool bias = node->n_inputs > 2;
  ig_value *invstd = ig_node_output(graph, node, 2);
  if (!invstd || !grad->dy[0]) return;
  ig_node *back = ig_graph_node(
      graph, "ingot.LayerNormalizationGrad", NULL,
      IG_INS(grad->dy[0], node->inputs[0], node->inputs[1], node->outputs[1], invstd),
      IG_ATTRS(IG_INT("axis", IG_ATTRS_OF(layer_normalization_attrs, node)->axis)), bias ? 3 : 2);
  for (int i = 0; back && i < back->n_outputs; i++) grad->dx[i] = back->outputs[i];
}

static ig_row_norm_forward operands(const ig_call *call) {
  return (ig_row_norm_forward){.x = call->in[0],
                               .scale = call->in[1],
                               .bias = ig_row_norm_in(call, 2),
                               .y = call->out[0],
                               .mean = ig_row_norm_out(call, 1),
                               .invstd = ig_row_norm_out(call, 2)};
}

static ig_status layer_normalization_run(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_forward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_f32(&norm, &t);
  return IG_OK;
}

static ig_status layer_normalization_reference(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_forward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_reference(call->node->inputs[0]->dtype, ig_row_norm_stats(call->node), &norm, &t);
  return IG_OK;
}

/* Mean 1, variance 3, normalisation 4 an element. */
static ig_cost layer_normalization_cost(const ig_node *node) {
  return (ig_cost){8.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl layer_normalization_impls[] = {
    {.name = "simd",               .device = IG_CPU, .reject = ig_reject_not_f32, .run = layer_normalization_run},
    {.name = "reference", .device = IG_CPU, .run = layer_normalization_reference},
    {.name = NULL                           },
};

const ig_op ig_op_layer_normalization = {
    .name = "LayerNormalization",
    .since = 17,
    .n_in = {2, 3},
    .n_out = {1, 3},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = layer_normalization_fields,
    .attrs_size = sizeof(layer_normalization_attrs),
    .infer = layer_normalization_infer,
    .grad = layer_normalization_grad,
    .cost = layer_normalization_cost,
    .impls = layer_normalization_impls,
};
