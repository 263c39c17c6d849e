/* ingot.FusedBatchNormalization: BatchNormalization, to whose result an optional sixth input is added,
 * and ReLU of that. What a residual network does after each convolution, in one pass over memory; its
 * gradient needs no result of its own but for the residual form. */
#include "engine/ops/batch_norm.h"

static const ig_attr_field fused_batch_normalization_fields[] = {
    IG_FIELD_FLOAT(ig_batch_norm_attrs, epsilon, 1e-5f),
    IG_FIELD_FLOAT(ig_batch_norm_attrs, momentum, 0.9f),
    IG_FIELD_INT(ig_batch_norm_attrs, training_mode, 0),
    IG_FIELD_INT(ig_batch_norm_attrs, relu, 1),
    {.name = NULL},
};

const ig_op ig_op_fused_batch_normalization = {
    .name = "ingot.FusedBatchNormalization",
    .n_in = {5, 6},
    .n_out = {1, 5},
    .flags = IG_OP_PURE | IG_OP_INPLACE | IG_OP_LAYOUT,
    .attrs = fused_batch_normalization_fields,
    .attrs_size = sizeof(ig_batch_norm_attrs),
    .infer = ig_batch_norm_infer,
    .grad = ig_batch_norm_grad,
    .cost = ig_batch_norm_cost,
    .inplace = ig_batch_norm_inplace,
    .impls = ig_batch_norm_impls,
};
