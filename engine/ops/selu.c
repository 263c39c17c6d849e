/* Selu: gamma x from zero on, gamma alpha (e^x - 1) below (Klambauer et al., "Self-Normalizing Neural Networks",
 * 2017, whose alpha and lambda are the defaults). */
#include "engine/ops/elementwise.h"

typedef struct selu_attrs {
  float alpha, gamma;
} selu_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_FLOAT(selu_attrs, alpha, 1.67326319217681884765625f),
    IG_FIELD_FLOAT(selu_attrs, gamma, 1.05070102214813232421875f),
    {0},
};

#define GIVEN(node, name) IG_ATTRS_OF(selu_attrs, node)->name

IG_UNARY_IMPLS(IG_UNARY_SELU, GIVEN(call->node, alpha), GIVEN(call->node, gamma))

static void grad(const ig_grad *g) {
  ig_grad_unary_with(g, "Selu", GIVEN(g->node, alpha), GIVEN(g->node, gamma));
}

const ig_op ig_op_selu = {
    .name = "Selu",
    .since = 6,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(selu_attrs),
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
