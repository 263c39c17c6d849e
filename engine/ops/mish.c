/* Mish: x tanh(softplus(x)) (Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2019). */
#include "engine/ops/elementwise.h"

IG_UNARY_IMPLS(IG_UNARY_MISH, 0, 0)

static void grad(const ig_grad *g) {
  ig_grad_unary(g, "Mish", 0);
}

const ig_op ig_op_mish = {
    .name = "Mish",
    .since = 18,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
