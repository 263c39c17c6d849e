/* Shrink: 0 within [-lambd, lambd], outside nearer to 0 by bias. */
#include "engine/ops/elementwise.h"

typedef struct shrink_attrs {
  float lambd, bias;
} shrink_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_FLOAT(shrink_attrs, lambd, 0.5f),
    IG_FIELD_FLOAT(shrink_attrs, bias, 0),
    {0},
};

#define GIVEN(node, name) IG_ATTRS_OF(shrink_attrs, node)->name

IG_UNARY_IMPLS(IG_UNARY_SHRINK, GIVEN(call->node, lambd), GIVEN(call->node, bias))

static void grad(const ig_grad *g) {
  ig_grad_unary_with(g, "Shrink", GIVEN(g->node, lambd), GIVEN(g->node, bias));
}

const ig_op ig_op_shrink = {
    .name = "Shrink",
    .since = 9,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(shrink_attrs),
    .infer = ig_infer_unary_number,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
