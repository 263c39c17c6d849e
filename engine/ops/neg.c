/* Neg: -x. */
#include "engine/ops/elementwise.h"

IG_UNARY_IMPLS(IG_UNARY_NEG, 0, 0)

static void grad(const ig_grad *g) {
  g->dx[0] = ig_op1(g->graph, "Neg", NULL, IG_INS(g->dy[0]), IG_NO_ATTRS);
}

const ig_op ig_op_neg = {
    .name = "Neg",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_unary_number,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
