/* Sub: a - b with broadcasting. */
#include "engine/ops/elementwise.h"

IG_BINARY_IMPLS(IG_BINARY_SUB)

static void grad(const ig_grad *g) {
  ig_value *const *in = g->node->inputs;
  if (g->need[0]) g->dx[0] = ig_grad_unbroadcast(g->graph, g->dy[0], in[0]);
  if (g->need[1]) {
    ig_value *sum = ig_grad_unbroadcast(g->graph, g->dy[0], in[1]);
    g->dx[1] = ig_op1(g->graph, "Neg", NULL, IG_INS(sum), IG_NO_ATTRS);
  }
}

const ig_op ig_op_sub = {
    .name = "Sub",
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
