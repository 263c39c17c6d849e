/* ReduceMean: the mean over `axes`. */
#include "engine/ops/reduce.h"

IG_REDUCE_IMPLS(IG_REDUCE_MEAN)

static void grad(const ig_grad *g) {
  g->dx[0] = ig_reduce_spread(g, 1.0 / (double)IG_MAX(1, ig_reduce_count(g->node)));
}

const ig_op ig_op_reduce_mean = {
    .name = "ReduceMean",
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
