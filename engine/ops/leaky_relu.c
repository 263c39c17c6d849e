/* LeakyRelu: x above zero, alpha x below. */
#include "engine/ops/elementwise.h"

typedef struct leaky_relu_attrs {
  float alpha;
} leaky_relu_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_FLOAT(leaky_relu_attrs, alpha, 0.01f), {0}};

#define ALPHA(node) IG_ATTRS_OF(leaky_relu_attrs, node)->alpha

IG_UNARY_IMPLS(IG_UNARY_LEAKY_RELU, ALPHA(call->node), 0)

static void grad(const ig_grad *g) {
  ig_grad_unary(g, "LeakyRelu", ALPHA(g->node));
}

const ig_op ig_op_leaky_relu = {
    .name = "LeakyRelu",
    .since = 16,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(leaky_relu_attrs),
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
