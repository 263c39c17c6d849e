/* ingot.SigmoidCrossEntropy: the mean of -t log p - (1 - t) log(1 - p) with p = sigmoid(x), computed
 * from the logit x as log(1 + e^x) - x t, which neither overflows nor cancels. */
#include "engine/ops/pair_loss.h"

IG_PAIR_LOSS_IMPLS(IG_LOSS_SIGMOID_CROSS_ENTROPY)

/* dx = (p - t) / n; dt = -x / n. */
static void grad(const ig_grad *g) {
  ig_value *x = g->node->inputs[0], *t = g->node->inputs[1];
  if (g->need[0]) {
    ig_value *p = ig_op1(g->graph, "Sigmoid", NULL, IG_INS(x), IG_NO_ATTRS);
    ig_value *difference = ig_op1(g->graph, "Sub", NULL, IG_INS(p, t), IG_NO_ATTRS);
    ig_value *scale = ig_pair_loss_scale(g, 1);
    g->dx[0] = ig_op1(g->graph, "Mul", NULL, IG_INS(difference, scale), IG_NO_ATTRS);
  }
  if (g->need[1]) {
    g->dx[1] = ig_op1(g->graph, "Mul", NULL, IG_INS(x, ig_pair_loss_scale(g, -1)), IG_NO_ATTRS);
  }
}

const ig_op ig_op_sigmoid_cross_entropy = {
    .name = "ingot.SigmoidCrossEntropy",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = ig_pair_loss_infer,
    .grad = grad,
    .cost = ig_pair_loss_cost,
    .impls = impls,
};
