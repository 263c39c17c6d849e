/* Relu: max(x, 0); the derivative at 0 is 0. The gradient reads the result, so that the forward
 * pass may overwrite its input. */
#include "engine/ops/elementwise.h"

IG_UNARY_IMPLS(IG_UNARY_RELU, 0, 0)

static void grad(const ig_grad *g) {
  ig_grad_unary(g, "Relu", 0);
}

const ig_op ig_op_relu = {
    .name = "Relu",
    .since = 14,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_unary_number,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
