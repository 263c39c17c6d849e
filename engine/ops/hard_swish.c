/* HardSwish: x clip(x / 6 + 1/2, 0, 1) (Howard et al., "Searching for MobileNetV3", 2019). */
#include "engine/ops/elementwise.h"

IG_UNARY_IMPLS(IG_UNARY_HARD_SWISH, 0, 0)

static void grad(const ig_grad *g) {
  ig_grad_unary(g, "HardSwish", 0);
}

const ig_op ig_op_hard_swish = {
    .name = "HardSwish",
    .since = 22,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
