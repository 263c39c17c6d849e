/* Mean: the mean of its operands, with broadcasting. */
#include "engine/ops/fold.h"

IG_FOLD_IMPLS(IG_FOLD_MEAN)

static ig_status infer(ig_node *node) {
  IG_TRY(ig_require_float(node, 0));
  return ig_infer_broadcast(node);
}

static void grad(const ig_grad *g) {
  ig_value *part = ig_scalar_like(g->graph, g->dy[0], 1.0 / g->node->n_inputs);
  ig_fold_grad_sum(g, ig_op1(g->graph, "Mul", NULL, IG_INS(g->dy[0], part), IG_NO_ATTRS));
}

const ig_op ig_op_mean = {
    .name = "Mean",
    .since = 8,
    .n_in = {1, IG_VARIADIC},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = infer,
    .grad = grad,
    .cost = ig_fold_cost,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
