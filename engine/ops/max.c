/* Max: the largest of its operands, with broadcasting; NaN wins. */
#include "engine/ops/fold.h"

IG_FOLD_IMPLS(IG_FOLD_MAX)

const ig_op ig_op_max = {
    .name = "Max",
    .since = 12,
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_binary_number,
    .grad = ig_fold_grad_extreme,
    .cost = ig_fold_cost,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
