/* ingot.MeanSquaredError: the mean of (x - t)^2. */
#include "engine/ops/pair_loss.h"

IG_PAIR_LOSS_IMPLS(IG_LOSS_SQUARED_ERROR)

static void grad(const ig_grad *g) {
  ig_value *x = g->node->inputs[0], *t = g->node->inputs[1];
  ig_value *difference = ig_op1(g->graph, "Sub", NULL, IG_INS(x, t), IG_NO_ATTRS);
  ig_value *scale = ig_pair_loss_scale(g, 2);
  ig_value *dx = ig_op1(g->graph, "Mul", NULL, IG_INS(difference, scale), IG_NO_ATTRS);
  if (g->need[0]) g->dx[0] = dx;
  if (g->need[1]) g->dx[1] = ig_op1(g->graph, "Neg", NULL, IG_INS(dx), IG_NO_ATTRS);
}

const ig_op ig_op_mean_squared_error = {
    .name = "ingot.MeanSquaredError",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = ig_pair_loss_infer,
    .grad = grad,
    .cost = ig_pair_loss_cost,
    .impls = impls,
};
