/* ReduceLogSum: the logarithm of the sum over `axes`. */
#include "engine/ops/reduce.h"

IG_REDUCE_IMPLS(IG_REDUCE_LOG_SUM)

/* dx = dy / sum x, the sum being e^y. */
static void grad(const ig_grad *g) {
  ig_value *sum =
      ig_op1(g->graph, "Exp", NULL, IG_INS(ig_reduce_kept(g, g->node->outputs[0])), IG_NO_ATTRS);
  ig_value *dy = ig_reduce_spread(g, 1);
  g->dx[0] = ig_op1(g->graph, "Div", NULL, IG_INS(dy, sum), IG_NO_ATTRS);
}

const ig_op ig_op_reduce_log_sum = {
    .name = "ReduceLogSum",
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
