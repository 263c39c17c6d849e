/* Swish: x sigmoid(alpha x) (Ramachandran, Zoph, Le, "Searching for Activation Functions", 2017). */
#include "engine/ops/elementwise.h"

typedef struct swish_attrs {
  float alpha;
} swish_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_FLOAT(swish_attrs, alpha, 1), {0}};

#define GIVEN(node, name) IG_ATTRS_OF(swish_attrs, node)->name

IG_UNARY_IMPLS(IG_UNARY_SWISH, GIVEN(call->node, alpha), 0)

static void grad(const ig_grad *g) {
  ig_grad_unary_with(g, "Swish", GIVEN(g->node, alpha), 0);
}

const ig_op ig_op_swish = {
    .name = "Swish",
    .since = 24,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(swish_attrs),
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
