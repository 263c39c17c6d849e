/* RNN: H_t = f(X_t W^T + H_{t-1} R^T + Wb + Rb) over sequences. The fused gradient runs
 * forward again, so that nothing but inputs has to be kept for it. */
#include "engine/ops/recurrent.h"

const ig_attr_field ig_rnn_fields[] = {
    IG_RECURRENT_FIELDS,
    {0},
};

const ig_twin ig_rnn_twin = {.op = "ingot.RNNGrad",
                            .n_in = 6,
                            .n_out = 2,
                            .wrt = (1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 5)};

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_rnn_twin, g);
}

IG_RECURRENT_FUNCTIONS(IG_CELL_RNN, false)

const ig_op ig_op_rnn = {
    .name = "RNN",
    .since = 14,
    .n_in = {3, 6},
    .n_out = {1, 2},
    .flags = IG_OP_PURE,
    .attrs = ig_rnn_fields,
    .attrs_size = sizeof(ig_recurrent_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
