/* ingot.LSTMGrad: gradients of LSTM's inputs, back through time. Inputs are those of LSTM, then the
 * gradients of its outputs. */
#include "engine/ops/recurrent.h"

IG_RECURRENT_FUNCTIONS(IG_CELL_LSTM, true)

const ig_op ig_op_lstm_grad = {
    .name = "ingot.LSTMGrad",
    .n_in = {3, 11},
    .n_out = {3, 7},
    .flags = IG_OP_PURE,
    .attrs = ig_lstm_fields,
    .attrs_size = sizeof(ig_recurrent_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
