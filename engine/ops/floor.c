/* Floor: the largest whole number that is not above x. */
#include "engine/ops/elementwise.h"

IG_UNARY_IMPLS(IG_UNARY_FLOOR, 0, 0)

static void grad(const ig_grad *g) {
  IG_UNUSED(g); /* zero wherever it exists */
}

const ig_op ig_op_floor = {
    .name = "Floor",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
