/* ThresholdedRelu: x above alpha, otherwise 0. */
#include "engine/ops/elementwise.h"

typedef struct thresholded_relu_attrs {
  float alpha;
} thresholded_relu_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_FLOAT(thresholded_relu_attrs, alpha, 1), {0}};

#define GIVEN(node, name) IG_ATTRS_OF(thresholded_relu_attrs, node)->name

IG_UNARY_IMPLS(IG_UNARY_THRESHOLDED_RELU, GIVEN(call->node, alpha), 0)

static void grad(const ig_grad *g) {
  ig_grad_unary_with(g, "ThresholdedRelu", GIVEN(g->node, alpha), 0);
}

const ig_op ig_op_thresholded_relu = {
    .name = "ThresholdedRelu",
    .since = 10,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(thresholded_relu_attrs),
    .infer = ig_infer_unary_float,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
