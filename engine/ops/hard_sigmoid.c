/* HardSigmoid: alpha x + beta within [0, 1]. */
#include "engine/ops/elementwise.h"

typedef struct hard_sigmoid_attrs {
  float alpha, beta;
} hard_sigmoid_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_FLOAT(hard_sigmoid_attrs, alpha, 0.2f),
    IG_FIELD_FLOAT(hard_sigmoid_attrs, beta, 0.5f),
    {0},
};

#define GIVEN(node, name) IG_ATTRS_OF(hard_sigmoid_attrs, node)->name

IG_UNARY_IMPLS(IG_UNARY_HARD_SIGMOID, GIVEN(call->node, alpha), GIVEN(call->node, beta))

static void grad(const ig_grad *g) {
  ig_grad_unary_with(g, "HardSigmoid", GIVEN(g->node, alpha), GIVEN(g->node, beta));
}

const ig_op ig_op_hard_sigmoid = {
    .name = "HardSigmoid",
    .since = 6,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(hard_sigmoid_attrs),
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
