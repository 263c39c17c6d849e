/* ReduceMax: the maximum over `axes`. */
#include "engine/ops/reduce.h"

IG_REDUCE_IMPLS(IG_REDUCE_MAX)

const ig_op ig_op_reduce_max = {
    .name = "ReduceMax",
    .since = 20,
    .n_in = {1, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_reduce_fields,
    .attrs_size = sizeof(ig_reduce_attrs),
    .infer = ig_reduce_infer_extreme,
    .grad = ig_reduce_extreme_grad,
    .cost = ig_reduce_cost,
    .impls = impls,
};
