/* Elu: x from zero on, alpha (e^x - 1) below (Clevert, Unterthiner, Hochreiter, "Fast and Accurate Deep Network
 * Learning by Exponential Linear Units (ELUs)", 2015). */
#include "engine/ops/elementwise.h"

typedef struct elu_attrs {
  float alpha;
} elu_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_FLOAT(elu_attrs, alpha, 1), {0}};

#define GIVEN(node, name) IG_ATTRS_OF(elu_attrs, node)->name

IG_UNARY_IMPLS(IG_UNARY_ELU, GIVEN(call->node, alpha), 0)

static void grad(const ig_grad *g) {
  ig_grad_unary_with(g, "Elu", GIVEN(g->node, alpha), 0);
}

const ig_op ig_op_elu = {
    .name = "Elu",
    .since = 6,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(elu_attrs),
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
