/* ingot.GRUGrad: gradients of GRU's inputs, back through time. Inputs are those of GRU, then the
 * gradients of its outputs. */
#include "engine/ops/recurrent.h"

IG_RECURRENT_FUNCTIONS(IG_CELL_GRU, true)

const ig_op ig_op_gru_grad = {
    .name = "ingot.GRUGrad",
    .n_in = {3, 8},
    .n_out = {3, 5},
    .flags = IG_OP_PURE,
    .attrs = ig_gru_fields,
    .attrs_size = sizeof(ig_recurrent_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
