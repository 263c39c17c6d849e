/* LpNormalization: x / |x| along an axis, by the norm of p = 1 or 2; 0 where the norm is 0. */
#include "kernels/local_norm.h"

#include "engine/ops/softmax.h"

typedef struct lp_normalization_attrs {
  int64_t axis, p;
} lp_normalization_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(lp_normalization_attrs, axis, -1),
    IG_FIELD_INT(lp_normalization_attrs, p, 2),
    {0},
};

static ig_status infer(ig_node *node) {
  const lp_normalization_attrs *a = IG_ATTRS_OF(lp_normalization_attrs, node);
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(ig_shape_axis(&node->inputs[0]->shape, a->axis) >= 0, IG_ERR_SHAPE,
           "axis %lld does not fit %s", (long long)a->axis, IG_SHAPE_STR(&node->inputs[0]->shape));
  IG_CHECK(a->p == 1 || a->p == 2, IG_ERR_INPUT, "p must be 1 or 2, found %lld", (long long)a->p);
  return ig_infer_same(node);
}

static ig_value *binary(const ig_grad *g, const char *op, ig_value *a, ig_value *b) {
  return ig_op1(g->graph, op, NULL, IG_INS(a, b), IG_NO_ATTRS);
}

/* dx = (dy - y' sum dy y) / |x|, with y' the norm's derivative: y for p = 2, sign x for p = 1. Where the
 * norm is 0, dx is 0. */
static void grad(const ig_grad *g) {
  const lp_normalization_attrs *a = IG_ATTRS_OF(lp_normalization_attrs, g->node);
  ig_graph *graph = g->graph;
  ig_value *x = g->node->inputs[0], *y = g->node->outputs[0];
  ig_value *axes = ig_graph_const_i64s(graph, 1, &a->axis), *zero = ig_scalar_like(graph, x, 0);
  ig_value *norm =
      ig_op1(graph, a->p == 1 ? "ReduceL1" : "ReduceL2", NULL, IG_INS(x, axes), IG_NO_ATTRS);
  ig_value *total =
      ig_op1(graph, "ReduceSum", NULL, IG_INS(binary(g, "Mul", g->dy[0], y), axes), IG_NO_ATTRS);
  ig_value *slope = a->p == 1 ? ig_op1(graph, "Sign", NULL, IG_INS(x), IG_NO_ATTRS) : y;
  ig_value *part = binary(g, "Sub", g->dy[0], binary(g, "Mul", slope, total));
  ig_value *none = binary(g, "Equal", norm, zero);
  g->dx[0] =
      ig_op1(graph, "Where", NULL, IG_INS(none, zero, binary(g, "Div", part, norm)), IG_NO_ATTRS);
}

static ig_cost cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  total.flops = 3.0 * (double)ig_value_count(node->inputs[0]);
  return total;
}

static ig_status run(const ig_call *call) {
  const lp_normalization_attrs *a = IG_ATTRS_OF(lp_normalization_attrs, call->node);
  const ig_value *x = call->node->inputs[0];
  ig_rows rows = ig_rows_around(x, a->axis);
  ig_cpu_lp_normalization(x->dtype, a->p == 2, &rows, call->in[0], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_lp_normalization = {
    .name = "LpNormalization",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(lp_normalization_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
