/* Div: a / b with broadcasting; integers divide towards zero, and by zero to 0. */
#include "engine/ops/elementwise.h"

IG_BINARY_IMPLS(IG_BINARY_DIV)

static void grad(const ig_grad *g) {
  ig_value *const *in = g->node->inputs, *y = g->node->outputs[0];
  ig_value *quotient = ig_op1(g->graph, "Div", NULL, IG_INS(g->dy[0], in[1]), IG_NO_ATTRS);
  if (g->need[0]) g->dx[0] = ig_grad_unbroadcast(g->graph, quotient, in[0]);
  if (g->need[1]) { /* -dy a / b^2 = -(dy / b) y */
    ig_value *product = ig_op1(g->graph, "Mul", NULL, IG_INS(quotient, y), IG_NO_ATTRS);
    ig_value *sum = ig_grad_unbroadcast(g->graph, product, in[1]);
    g->dx[1] = ig_op1(g->graph, "Neg", NULL, IG_INS(sum), IG_NO_ATTRS);
  }
}

const ig_op ig_op_div = {
    .name = "Div",
    .since = 14,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_binary_number,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
