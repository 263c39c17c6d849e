/* MeanVarianceNormalization: (x - mean) / (deviation + 1e-9), both over `axes`; without them, over those
 * of [N, C, H, W] that are not channels. */
#include "engine/ops/op.h"
#include "kernels/local_norm.h"

#define EPSILON 1e-9 /* of ONNX's definition */

typedef struct mvn_attrs {
  ig_ints axes;
} mvn_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INTS(mvn_attrs, axes),
    {0},
};

static ig_ints axes_of(const ig_node *node) {
  static const int64_t usual[] = {0, 2, 3};
  ig_ints axes = IG_ATTRS_OF(mvn_attrs, node)->axes;
  return axes.n ? axes : (ig_ints){IG_COUNT(usual), usual};
}

static ig_status infer(ig_node *node) {
  const ig_shape *shape = &node->inputs[0]->shape;
  ig_ints axes = axes_of(node);
  bool seen[IG_MAX_RANK] = {false};
  IG_TRY(ig_require_float(node, 0));
  for (int i = 0; i < axes.n; i++) {
    int axis = ig_shape_axis(shape, axes.v[i]);
    IG_CHECK(axis >= 0 && !seen[axis], IG_ERR_SHAPE, "axis %lld does not fit %s or is named twice",
             (long long)axes.v[i], IG_SHAPE_STR(shape));
    seen[axis] = true;
  }
  return ig_infer_same(node);
}

static ig_value *binary(const ig_grad *g, const char *op, ig_value *a, ig_value *b) {
  return ig_op1(g->graph, op, NULL, IG_INS(a, b), IG_NO_ATTRS);
}

/* With c = x - mean x and s the deviation plus epsilon: dx = (dy - mean dy) / s - c mean(dy c) / s^3. */
static void grad(const ig_grad *g) {
  ig_graph *graph = g->graph;
  ig_ints list = axes_of(g->node);
  ig_value *axes = ig_graph_const_i64s(graph, list.n, list.v), *x = g->node->inputs[0];
#define MEAN(value) ig_op1(graph, "ReduceMean", NULL, IG_INS((value), axes), IG_NO_ATTRS)
  ig_value *c = binary(g, "Sub", x, MEAN(x));
  ig_value *s = ig_op1(graph, "Sqrt", NULL, IG_INS(MEAN(binary(g, "Mul", c, c))), IG_NO_ATTRS);
  s = binary(g, "Add", s, ig_scalar_like(graph, x, EPSILON));
  ig_value *flat = binary(g, "Sub", g->dy[0], MEAN(g->dy[0]));
  ig_value *unit = binary(g, "Div", c, s);
  ig_value *share = MEAN(binary(g, "Mul", g->dy[0], unit));
#undef MEAN
  g->dx[0] = binary(g, "Div", binary(g, "Sub", flat, binary(g, "Mul", unit, share)), s);
}

static ig_cost cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  total.flops = 6.0 * (double)ig_value_count(node->inputs[0]);
  return total;
}

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  ig_ints axes = axes_of(call->node);
  ig_reduction r = {.rank = x->shape.rank};
  for (int d = 0; d < r.rank; d++) r.dims[d] = x->shape.dims[d];
  for (int i = 0; i < axes.n; i++) r.reduced[ig_shape_axis(&x->shape, axes.v[i])] = true;
  ig_cpu_mean_variance(x->dtype, &r, EPSILON, call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_mean_variance_normalization = {
    .name = "MeanVarianceNormalization",
    .since = 9,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(mvn_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
