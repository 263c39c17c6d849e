/* Abs: |x|; the derivative at 0 is 0. */
#include "engine/ops/elementwise.h"

IG_UNARY_IMPLS(IG_UNARY_ABS, 0, 0)

static void grad(const ig_grad *g) {
  ig_grad_unary(g, "Abs", 0);
}

const ig_op ig_op_abs = {
    .name = "Abs",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_unary_number,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
