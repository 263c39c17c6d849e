/* Celu: x from zero on, alpha (e^(x/alpha) - 1) below (Barron, "Continuously Differentiable Exponential Linear Units",
 * 2017). */
#include "engine/ops/elementwise.h"

typedef struct celu_attrs {
  float alpha;
} celu_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_FLOAT(celu_attrs, alpha, 1), {0}};

#define GIVEN(node, name) IG_ATTRS_OF(celu_attrs, node)->name

IG_UNARY_IMPLS(IG_UNARY_CELU, GIVEN(call->node, alpha), 0)

static void grad(const ig_grad *g) {
  ig_grad_unary_with(g, "Celu", GIVEN(g->node, alpha), 0);
}

const ig_op ig_op_celu = {
    .name = "Celu",
    .since = 12,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(celu_attrs),
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
