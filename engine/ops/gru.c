/* GRU (Cho et al. 2014): gates z, r and h over sequences. The fused gradient runs
 * forward again, so that nothing but inputs has to be kept for it. */
#include "engine/ops/recurrent.h"

const ig_attr_field ig_gru_fields[] = {
    IG_RECURRENT_FIELDS,
    IG_FIELD_INT(ig_recurrent_attrs, linear_before_reset, 0),
    {0},
};

const ig_twin ig_gru_twin = {.op = "ingot.GRUGrad",
                            .n_in = 6,
                            .n_out = 2,
                            .wrt = (1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 5)};

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_gru_twin, g);
}

IG_RECURRENT_FUNCTIONS(IG_CELL_GRU, false)

const ig_op ig_op_gru = {
    .name = "GRU",
    .since = 14,
    .n_in = {3, 6},
    .n_out = {1, 2},
    .flags = IG_OP_PURE,
    .attrs = ig_gru_fields,
    .attrs_size = sizeof(ig_recurrent_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
