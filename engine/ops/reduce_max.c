/* ReduceMax: the maximum over `axes`. */
#include "engine/ops/reduce.h"

IG_REDUCE_IMPLS(IG_REDUCE_MAX)

/* Operands that share the maximum share its gradient equally. */
static void grad(const ig_grad *g) {
  ig_graph *graph = g->graph;
  ig_value *x = g->node->inputs[0], *y = ig_reduce_kept(g, g->node->outputs[0]);
  ig_value *mask = ig_op1(graph, "Equal", NULL, IG_INS(x, y), IG_NO_ATTRS);
  ig_value *flags = ig_cast(graph, mask, x->dtype), *dy = ig_reduce_kept(g, g->dy[0]);
  ig_value *axes = g->node->n_inputs > 1 ? g->node->inputs[1] : NULL;
  int64_t noop = IG_ATTRS_OF(ig_reduce_attrs, g->node)->noop_with_empty_axes;
  ig_value *ties = ig_op1(graph, "ReduceSum", NULL, IG_INS(flags, axes),
                          IG_ATTRS(IG_INT("noop_with_empty_axes", noop)));
  ig_value *share = ig_op1(graph, "Div", NULL, IG_INS(dy, ties), IG_NO_ATTRS);
  ig_value *zero = ig_scalar_like(graph, x, 0);
  g->dx[0] = ig_op1(graph, "Where", NULL, IG_INS(mask, share, zero), IG_NO_ATTRS);
}

const ig_op ig_op_reduce_max = {
    .name = "ReduceMax",
    .since = 20,
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
