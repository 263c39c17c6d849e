/* PRelu: x from zero on, slope x below; the slope is broadcast to x. */
#include "engine/ops/elementwise.h"

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0], *slope = node->inputs[1];
  IG_TRY(ig_infer_binary_number(node));
  IG_CHECK(ig_shape_equal(&node->outputs[0]->shape, &x->shape), IG_ERR_SHAPE,
           "slope of shape %s does not broadcast to %s", IG_SHAPE_STR(&slope->shape),
           IG_SHAPE_STR(&x->shape));
  return IG_OK;
}

IG_BINARY_IMPLS(IG_BINARY_PRELU)

/* The derivative at 0 is 1. */
static void grad(const ig_grad *g) {
  ig_value *x = g->node->inputs[0], *slope = g->node->inputs[1], *dy = g->dy[0];
  ig_value *zero = ig_scalar_like(g->graph, x, 0);
  ig_value *below = ig_op1(g->graph, "Less", NULL, IG_INS(x, zero), IG_NO_ATTRS);
  if (g->need[0]) {
    ig_value *scaled = ig_op1(g->graph, "Mul", NULL, IG_INS(dy, slope), IG_NO_ATTRS);
    g->dx[0] = ig_op1(g->graph, "Where", NULL, IG_INS(below, scaled, dy), IG_NO_ATTRS);
  }
  if (g->need[1]) {
    ig_value *product = ig_op1(g->graph, "Mul", NULL, IG_INS(dy, x), IG_NO_ATTRS);
    ig_value *part = ig_op1(g->graph, "Where", NULL, IG_INS(below, product, zero), IG_NO_ATTRS);
    g->dx[1] = ig_grad_unbroadcast(g->graph, part, slope);
  }
}

const ig_op ig_op_p_relu = {
    .name = "PRelu",
    .since = 16,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
