/* Add: a + b with broadcasting. */
#include "engine/ops/elementwise.h"

IG_BINARY_IMPLS(IG_BINARY_ADD)

static void grad(const ig_grad *g) {
  for (int i = 0; i < 2; i++) {
    if (g->need[i]) g->dx[i] = ig_grad_unbroadcast(g->graph, g->dy[0], g->node->inputs[i]);
  }
}

const ig_op ig_op_add = {
    .name = "Add",
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
