/* Log: the natural logarithm. */
#include "engine/ops/elementwise.h"

IG_UNARY_IMPLS(IG_UNARY_LOG, 0, 0)

static void grad(const ig_grad *g) {
  ig_value *x = g->node->inputs[0];
  g->dx[0] = ig_op1(g->graph, "Div", NULL, IG_INS(g->dy[0], x), IG_NO_ATTRS);
}

const ig_op ig_op_log = {
    .name = "Log",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
