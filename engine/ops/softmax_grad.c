/* ingot.SoftmaxGrad: dx = y (dy - sum dy y) along the axis, from dy and the result y. */
#include "engine/ops/softmax.h"

IG_SOFTMAX_IMPLS(ig_softmax_grad_vector, ig_softmax_grad_reference, false)

const ig_op ig_op_softmax_grad = {
    .name = "ingot.SoftmaxGrad",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_INPLACE | IG_OP_PURE,
    .attrs = ig_axis_last_fields,
    .attrs_size = sizeof(ig_axis_attrs),
    .infer = ig_softmax_grad_infer,
    .cost = ig_softmax_cost,
    .impls = impls,
};
