/* ReduceL1: the sum of |x| over `axes`. */
#include "engine/ops/reduce.h"

IG_REDUCE_IMPLS(IG_REDUCE_L1)

static void grad(const ig_grad *g) {
  ig_value *sign = ig_op1(g->graph, "Sign", NULL, IG_INS(g->node->inputs[0]), IG_NO_ATTRS);
  ig_value *dy = ig_reduce_spread(g, 1);
  g->dx[0] = ig_op1(g->graph, "Mul", NULL, IG_INS(dy, sign), IG_NO_ATTRS);
}

const ig_op ig_op_reduce_l1 = {
    .name = "ReduceL1",
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
