/* LogSoftmax: the logarithm of Softmax, without passing through it. */
#include "engine/ops/softmax.h"

IG_SOFTMAX_IMPLS(ig_softmax_vector, ig_softmax_reference, true)

static void grad(const ig_grad *g) {
  ig_softmax_grad(g, "ingot.LogSoftmaxGrad");
}

const ig_op ig_op_log_softmax = {
    .name = "LogSoftmax",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_INPLACE | IG_OP_PURE,
    .attrs = ig_axis_last_fields,
    .attrs_size = sizeof(ig_axis_attrs),
    .infer = ig_softmax_infer,
    .grad = grad,
    .cost = ig_softmax_cost,
    .impls = impls,
};
