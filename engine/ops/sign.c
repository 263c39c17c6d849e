/* Sign: -1, 0 or 1. */
#include "engine/ops/elementwise.h"

IG_UNARY_IMPLS(IG_UNARY_SIGN, 0, 0)

static void grad(const ig_grad *g) {
  IG_UNUSED(g); /* zero wherever it exists */
}

const ig_op ig_op_sign = {
    .name = "Sign",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_unary_number,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
