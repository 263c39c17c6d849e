/* ai.onnx.ml.Scaler: (x - offset) scale as f32, with one number of each for all or one for each feature, the last
 * dimension. Absent ones are 0 and 1. */
#include "engine/ops/elementwise.h"

typedef struct scaler_attrs {
  ig_floats offset, scale;
} scaler_attrs;

static const ig_attr_field fields[] = {
    {.name = "offset", .type = IG_ATTR_FLOATS, .offset = offsetof(scaler_attrs, offset)},
    {.name = "scale", .type = IG_ATTR_FLOATS, .offset = offsetof(scaler_attrs, scale)},
    {.name = NULL},
};

static ig_status check_length(const ig_floats *list, const char *what, int64_t features) {
  IG_CHECK(list->n <= 1 || list->n == features, IG_ERR_SHAPE,
           "attribute %s has %d numbers, expected one or %lld", what, list->n, (long long)features);
  return IG_OK;
}

static int64_t features_of(const ig_shape *shape) {
  return shape->rank ? shape->dims[shape->rank - 1] : 1;
}

static ig_status infer(ig_node *node) {
  const scaler_attrs *a = IG_ATTRS_OF(scaler_attrs, node);
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_require_number(node, 0));
  IG_TRY(check_length(&a->offset, "offset", features_of(&x->shape)));
  IG_TRY(check_length(&a->scale, "scale", features_of(&x->shape)));
  return ig_infer_set(node, 0, IG_F32, &x->shape);
}

static double of_feature(const ig_floats *list, int64_t feature, double fallback) {
  return list->n ? (double)list->v[list->n == 1 ? 0 : feature] : fallback;
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  const scaler_attrs *a = IG_ATTRS_OF(scaler_attrs, call->node);
  int64_t features = features_of(&x->shape);
  for (int64_t i = 0; i < ig_value_count(x); i++) {
    double moved = ig_load_f64(x->dtype, call->in[0], i) - of_feature(&a->offset, i % features, 0);
    ((float *)call->out[0])[i] = (float)(moved * of_feature(&a->scale, i % features, 1));
  }
  return IG_OK;
}

static void grad(const ig_grad *g) {
  const ig_floats *scale = &IG_ATTRS_OF(scaler_attrs, g->node)->scale;
  ig_value *dx = g->dy[0];
  if (scale->n) {
    ig_value *factor = ig_graph_const(g->graph, NULL, IG_F32, IG_SHAPE(scale->n), scale->v);
    dx = ig_op1(g->graph, "Mul", NULL, IG_INS(dx, factor), IG_NO_ATTRS);
  }
  g->dx[0] = ig_cast(g->graph, dx, g->node->inputs[0]->dtype);
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_scaler = {
    .name = "ai.onnx.ml.Scaler",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = fields,
    .attrs_size = sizeof(scaler_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
