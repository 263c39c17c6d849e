/* Pow: a^b with broadcasting; the exponent may have another numeric dtype than the base, which is the
 * result's: an integer to the power of a float is cut. */
#include "engine/ops/elementwise.h"

static ig_status infer(ig_node *node) {
  const ig_value *a = node->inputs[0], *b = node->inputs[1];
  ig_shape shape;
  for (int i = 0; i < 2; i++) IG_TRY(ig_require_number(node, i));
  IG_CHECK(ig_shape_broadcast(&a->shape, &b->shape, &shape), IG_ERR_SHAPE,
           "exponent of shape %s does not broadcast with %s", IG_SHAPE_STR(&b->shape),
           IG_SHAPE_STR(&a->shape));
  return ig_infer_set(node, 0, a->dtype, &shape);
}

IG_BINARY_IMPLS(IG_BINARY_POW)

/* da = dy b a^(b-1); db = dy a^b log a. */
static void grad(const ig_grad *g) {
  ig_value *a = g->node->inputs[0], *b = g->node->inputs[1], *y = g->node->outputs[0];
  ig_value *dy = g->dy[0];
  ig_graph *graph = g->graph;
  if (g->need[0]) {
    ig_value *exponent = ig_cast(graph, b, a->dtype);
    ig_value *less =
        ig_op1(graph, "Sub", NULL, IG_INS(exponent, ig_scalar_like(graph, a, 1)), IG_NO_ATTRS);
    ig_value *power = ig_op1(graph, "Pow", NULL, IG_INS(a, less), IG_NO_ATTRS);
    ig_value *slope = ig_op1(graph, "Mul", NULL, IG_INS(power, exponent), IG_NO_ATTRS);
    ig_value *product = ig_op1(graph, "Mul", NULL, IG_INS(slope, dy), IG_NO_ATTRS);
    g->dx[0] = ig_grad_unbroadcast(graph, product, a);
  }
  if (g->need[1]) {
    ig_value *log = ig_op1(graph, "Log", NULL, IG_INS(a), IG_NO_ATTRS);
    ig_value *slope = ig_op1(graph, "Mul", NULL, IG_INS(log, y), IG_NO_ATTRS);
    ig_value *product = ig_op1(graph, "Mul", NULL, IG_INS(slope, dy), IG_NO_ATTRS);
    g->dx[1] = ig_grad_unbroadcast(graph, ig_cast(graph, product, b->dtype), b);
  }
}

const ig_op ig_op_pow = {
    .name = "Pow",
    .since = 15,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
