/* ingot.AddLayerNormalization: inputs a, b, scale and an optional bias; outputs a + b, its
 * LayerNormalization, and the latter's Mean and InvStdDev. What a transformer does after each branch,
 * with the sum read from memory once less. */
#include "engine/ops/row_norm.h"

typedef struct add_layer_normalization_attrs {
  int64_t axis;
  float epsilon;
} add_layer_normalization_attrs;

static const ig_attr_field add_layer_normalization_fields[] = {
    IG_FIELD_INT(add_layer_normalization_attrs, axis, -1),
    IG_FIELD_FLOAT(add_layer_normalization_attrs, epsilon, 1e-5f),
    {.name = NULL},
};

static ig_status shape_of(const ig_node *node, ig_row_norm *out, ig_shape *stats) {
  const add_layer_normalization_attrs *attrs = IG_ATTRS_OF(add_layer_normalization_attrs, node);
  return ig_row_norm_shape(node->inputs[0], attrs->axis, true, attrs->epsilon, out, stats);
}

static ig_status add_layer_normalization_infer(ig_node *node) {
  const ig_value *x = node->inputs[0], *b = node->inputs[1];
  ig_row_norm norm;
  ig_shape stats;
  IG_TRY(shape_of(node, &norm, &stats));
  IG_CHECK(b->dtype == x->dtype && ig_shape_equal(&b->shape, &x->shape), IG_ERR_SHAPE,
           "the operands %s and %s differ", IG_SHAPE_STR(&x->shape), IG_SHAPE_STR(&b->shape));
  IG_TRY(ig_row_norm_check(node, x, 2, "scale", norm.columns));
  IG_TRY(ig_row_norm_check(node, x, 3, "bias", norm.columns));
  for (int i = 0; i < 2; i++) IG_TRY(ig_infer_set(node, i, x->dtype, &x->shape));
  for (int i = 2; i < 4; i++) IG_TRY(ig_infer_set(node, i, ig_row_norm_stats(node), &stats));
  return IG_OK;
}

static void add_layer_normalization_grad(const ig_grad *grad) {
  ig_node *node = grad->node;
  ig_graph *graph = grad->graph;
  if (!grad->dy[1]) { /* only the sum is used */
    grad->dx[0] = grad->dx[1] = grad->dy[0];
    return;
  }
  ig_value *invstd = ig_node_output(graph, node, 3);
  if (!invstd) return;
  ig_node *back = ig_graph_node(
      graph, "ingot.LayerNormalizationGrad", NULL,
      IG_INS(grad->dy[1], node->outputs[0], node->inputs[2], node->outputs[2], invstd, grad->dy[0]),
      IG_ATTRS(IG_INT("axis", IG_ATTRS_OF(add_layer_normalization_attrs, node)->axis)),
      node->n_inputs > 3 ? 3 : 2);
  if (!back) return;
  grad->dx[0] = grad->dx[1] = back->outputs[0];
  for (int i = 1; i < back->n_outputs; i++) grad->dx[i + 1] = back->outputs[i];
}

/* The sum may replace the first operand, the result the second. */
static int add_layer_normalization_inplace(const ig_node *node, int output) {
  IG_UNUSED(node);
  return output < 2 ? output : -1;
}

static ig_row_norm_forward operands(const ig_call *call) {
  return (ig_row_norm_forward){.x = call->in[0],
                               .residual = call->in[1],
                               .scale = call->in[2],
                               .bias = ig_row_norm_in(call, 3),
                               .sum = call->out[0],
                               .y = call->out[1],
                               .mean = ig_row_norm_out(call, 2),
                               .invstd = ig_row_norm_out(call, 3)};
}

static ig_status add_layer_normalization_run(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_forward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_f32(&norm, &t);
  return IG_OK;
}

static ig_status add_layer_normalization_reference(const ig_call *call) {
  ig_row_norm norm;
  ig_row_norm_forward t = operands(call);
  IG_TRY(shape_of(call->node, &norm, NULL));
  ig_cpu_row_norm_reference(call->node->inputs[0]->dtype, ig_row_norm_stats(call->node), &norm, &t);
  return IG_OK;
}

/* Sum 1, mean 1, variance 3, normalisation 4 an element. */
static ig_cost add_layer_normalization_cost(const ig_node *node) {
  return (ig_cost){9.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl add_layer_normalization_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .reject = ig_reject_not_f32,
     .run = add_layer_normalization_run},
    {.name = "reference", .device = IG_CPU, .run = add_layer_normalization_reference},
    {.name = NULL                          },
};

const ig_op ig_op_add_layer_normalization = {
    .name = "ingot.AddLayerNormalization",
    .n_in = {3, 4},
    .n_out = {2, 4},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = add_layer_normalization_fields,
    .attrs_size = sizeof(add_layer_normalization_attrs),
    .infer = add_layer_normalization_infer,
    .grad = add_layer_normalization_grad,
    .cost = add_layer_normalization_cost,
    .inplace = add_layer_normalization_inplace,
    .impls = add_layer_normalization_impls,
};
