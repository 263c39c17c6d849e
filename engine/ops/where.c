/* Where: condition ? a : b with broadcasting, of any dtype. */
#include "engine/ops/elementwise.h"

static ig_status infer(ig_node *node) {
  const ig_value *c = node->inputs[0], *a = node->inputs[1], *b = node->inputs[2];
  ig_shape shape;
  IG_CHECK(c->dtype == IG_BOOL && a->dtype == b->dtype, IG_ERR_SHAPE,
           "condition must be bool and the choices of one dtype, found %s, %s and %s",
           ig_dtype_name(c->dtype), ig_dtype_name(a->dtype), ig_dtype_name(b->dtype));
  IG_CHECK(ig_shape_broadcast(&a->shape, &b->shape, &shape) &&
               ig_shape_broadcast(&c->shape, &shape, &shape),
           IG_ERR_SHAPE, "shapes %s, %s and %s do not broadcast", IG_SHAPE_STR(&c->shape),
           IG_SHAPE_STR(&a->shape), IG_SHAPE_STR(&b->shape));
  return ig_infer_set(node, 0, a->dtype, &shape);
}

static void grad(const ig_grad *g) {
  ig_value *c = g->node->inputs[0], *zero = ig_scalar_like(g->graph, g->dy[0], 0);
  for (int i = 1; i < 3; i++) {
    if (!g->need[i]) continue;
    ig_value *yes = i == 1 ? g->dy[0] : zero, *no = i == 1 ? zero : g->dy[0];
    ig_value *part = ig_op1(g->graph, "Where", NULL, IG_INS(c, yes, no), IG_NO_ATTRS);
    g->dx[i] = ig_grad_unbroadcast(g->graph, part, g->node->inputs[i]);
  }
}

static const char *reject(const ig_node *node) {
  ig_walk walk;
  if (node->outputs[0]->dtype == IG_STRING) return "texts have no place in a plan";
  return ig_walk_of(node, 3, &walk);
}

static ig_status run(const ig_call *call) {
  ig_walk walk;
  ig_walk_of(call->node, 3, &walk);
  const ig_value *y = call->node->outputs[0];
  ig_cpu_where(ig_dtype_size(y->dtype), &walk, call->in[0], call->in[1], call->in[2], call->out[0]);
  ig_zero_padding(y, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "vector", .reject = reject, .run = run}, {0}};

const ig_op ig_op_where = {
    .name = "Where",
    .since = 16,
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
