/* LSTM (Hochreiter and Schmidhuber 1997), with peepholes: gates i, o, f and c over sequences. The fused gradient runs
 * forward again, so that nothing but inputs has to be kept for it. */
#include "engine/ops/recurrent.h"

const ig_attr_field ig_lstm_fields[] = {
    IG_RECURRENT_FIELDS,
    IG_FIELD_INT(ig_recurrent_attrs, input_forget, 0),
    {0},
};

const ig_twin ig_lstm_twin = {.op = "ingot.LSTMGrad",
                            .n_in = 8,
                            .n_out = 3,
                            .wrt = (1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 5 | 1u << 6 | 1u << 7)};

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_lstm_twin, g);
}

IG_RECURRENT_FUNCTIONS(IG_CELL_LSTM, false)

const ig_op ig_op_lstm = {
    .name = "LSTM",
    .since = 14,
    .n_in = {3, 8},
    .n_out = {1, 3},
    .flags = IG_OP_PURE,
    .attrs = ig_lstm_fields,
    .attrs_size = sizeof(ig_recurrent_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
