/* Mul: a b with broadcasting. */
#include "engine/ops/elementwise.h"

IG_BINARY_IMPLS(IG_BINARY_MUL)

static void grad(const ig_grad *g) {
  ig_value *const *in = g->node->inputs;
  for (int i = 0; i < 2; i++) {
    if (!g->need[i]) continue;
    ig_value *product = ig_op1(g->graph, "Mul", NULL, IG_INS(g->dy[0], in[1 - i]), IG_NO_ATTRS);
    g->dx[i] = ig_grad_unbroadcast(g->graph, product, in[i]);
  }
}

const ig_op ig_op_mul = {
    .name = "Mul",
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
