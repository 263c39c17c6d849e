/* RMSNormalization over the dimensions from `axis` on. Output 1, the reciprocal of the root mean
 * square, is our own, for the gradient; statistics are made in f32 (f64 for f64). */
#include "engine/ops/row_norm.h"

typedef struct rms_normalization_attrs {
  int64_t axis;
  float epsilon;
  int64_t stash_type;
} rms_normalization_attrs;

static const ig_attr_field rms_normalization_fields[] = {
    IG_FIELD_INT(rms_normalization_attrs, axis, -1),
    IG_FIELD_FLOAT(rms_normalization_attrs, epsilon, 1e-5f),
    IG_FIELD_INT(rms_normalization_attrs, stash_type, 1),
    {.name = NULL},
};

static ig_status shape_of(const ig_node *node, ig_row_norm *out, ig_shape *stats) {
  const rms_normalization_attrs *attrs = IG_ATTRS_OF(rms_normalization_attrs, node);
  return ig_row_norm_shape(node->inputs[0], attrs->axis, false, attrs->epsilon, out, stats);
}

static ig_status rms_normalization_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_row_norm norm;
  ig_shape stats;
  IG_TRY(shape_of(node, &norm, &stats));
  IG_TRY(ig_row_norm_check(node, x, 1, "scale", norm.columns));
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  return ig_infer_set(node, 1, ig_row_norm_stats(node), &stats);
}

static void rms_normalization_grad(const ig_grad *grad) {
  ig_node *node = grad->node;
  ig_graph *graph = grad->graph;
  ig_value *invrms = ig_node_output(graph, node, 1);
  if (!invrms || !grad->dy[0]) return;
  ig_node *back =
      ig_graph_node(graph, "ingot.RMSNormalizationGrad", NULL,
                    IG_INS(grad->dy[0], node->inputs[0], node->inputs[1], invrms),
                    IG_ATTRS(IG_INT("axis", IG_ATTRS_OF(rms_normalization_attrs, node)->axis)), 2);
  for (int i = 0; back && i < 2; i++) grad->dx[i] = back->outputs[i];
}

static ig_row_norm_forward operands(const ig_call *call) {
  return (ig_row_norm_forward){.x = call->in[0],
                               .scale = call->in[1],
                               .y = call->out[0],
                               .invstd = ig_row_norm_out(call, 1)};
}

static ig_status rms_normalization_run(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_forward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_f32(&norm, &t);
  return IG_OK;
}

static ig_status rms_normalization_reference(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_forward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_reference(call->node->inputs[0]->dtype, ig_row_norm_stats(call->node), &norm, &t);
  return IG_OK;
}

/* Mean square 2, normalisation 2 an element. */
static ig_cost rms_normalization_cost(const ig_node *node) {
  return (ig_cost){4.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl rms_normalization_impls[] = {
    {.name = "simd",               .device = IG_CPU, .reject = ig_reject_not_f32, .run = rms_normalization_run},
    {.name = "reference", .device = IG_CPU, .run = rms_normalization_reference},
    {.name = NULL                           },
};

const ig_op ig_op_rms_normalization = {
    .name = "RMSNormalization",
    .since = 23,
    .n_in = {2, 2},
    .n_out = {1, 2},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = rms_normalization_fields,
    .attrs_size = sizeof(rms_normalization_attrs),
    .infer = rms_normalization_infer,
    .grad = rms_normalization_grad,
    .cost = rms_normalization_cost,
    .impls = rms_normalization_impls,
};
