/* ReduceL2: the root of the sum of x^2 over `axes`. */
#include "engine/ops/reduce.h"

IG_REDUCE_IMPLS(IG_REDUCE_L2)

/* dx = dy x / y, and 0 where all are 0. */
static void grad(const ig_grad *g) {
  ig_graph *graph = g->graph;
  ig_value *y = ig_reduce_kept(g, g->node->outputs[0]), *zero = ig_scalar_like(graph, y, 0);
  ig_value *none = ig_op1(graph, "Equal", NULL, IG_INS(y, zero), IG_NO_ATTRS);
  ig_value *ratio = ig_op1(graph, "Div", NULL, IG_INS(ig_reduce_kept(g, g->dy[0]), y), IG_NO_ATTRS);
  ratio = ig_op1(graph, "Where", NULL, IG_INS(none, zero, ratio), IG_NO_ATTRS);
  g->dx[0] = ig_op1(graph, "Mul", NULL, IG_INS(g->node->inputs[0], ratio), IG_NO_ATTRS);
}

const ig_op ig_op_reduce_l2 = {
    .name = "ReduceL2",
    .since = 18,
    .n_in = {1, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_reduce_fields,
    .attrs_size = sizeof(ig_reduce_attrs),
    .infer = ig_reduce_infer,
    .grad = grad,
    .cost = ig_reduce_cost,
    .impls = impls,
};
