/* ReduceSum: the sum over `axes`. */
#include "engine/ops/reduce.h"

IG_REDUCE_IMPLS(IG_REDUCE_SUM)

static void grad(const ig_grad *g) {
  g->dx[0] = ig_reduce_spread(g, 1);
}

const ig_op ig_op_reduce_sum = {
    .name = "ReduceSum",
    .since = 13,
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
