/* Sum: the sum of its operands, with broadcasting. */
#include "engine/ops/fold.h"

IG_FOLD_IMPLS(IG_FOLD_SUM)

static void grad(const ig_grad *g) {
  ig_fold_grad_sum(g, g->dy[0]);
}

const ig_op ig_op_sum = {
    .name = "Sum",
    .since = 8,
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_binary_number,
    .grad = grad,
    .cost = ig_fold_cost,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
