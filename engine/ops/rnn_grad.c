/* ingot.RNNGrad: gradients of RNN's inputs, back through time. Inputs are those of RNN, then the
 * gradients of its outputs. */
#include "engine/ops/recurrent.h"

IG_RECURRENT_FUNCTIONS(IG_CELL_RNN, true)

const ig_op ig_op_rnn_grad = {
    .name = "ingot.RNNGrad",
    .n_in = {3, 8},
    .n_out = {3, 5},
    .flags = IG_OP_PURE,
    .attrs = ig_rnn_fields,
    .attrs_size = sizeof(ig_recurrent_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
