/* BatchNormalization over dimension 1. In training mode outputs 1 and 2 are the new running mean and
 * variance, and outputs 3 and 4, our own, the batch's, for the gradient. As ONNX defines it, the
 * running variance takes in the batch's variance over N elements, not N - 1. */
#include "engine/ops/batch_norm.h"

static const ig_attr_field batch_normalization_fields[] = {
    IG_FIELD_FLOAT(ig_batch_norm_attrs, epsilon, 1e-5f),
    IG_FIELD_FLOAT(ig_batch_norm_attrs, momentum, 0.9f),
    IG_FIELD_INT(ig_batch_norm_attrs, training_mode, 0),
    {.name = NULL},
};

const ig_op ig_op_batch_normalization = {
    .name = "BatchNormalization",
    .since = 15,
    .n_in = {5, 5},
    .n_out = {1, 5},
    .flags = IG_OP_PURE | IG_OP_INPLACE | IG_OP_LAYOUT,
    .attrs = batch_normalization_fields,
    .attrs_size = sizeof(ig_batch_norm_attrs),
    .infer = ig_batch_norm_infer,
    .grad = ig_batch_norm_grad,
    .cost = ig_batch_norm_cost,
    .inplace = ig_batch_norm_inplace,
    .impls = ig_batch_norm_impls,
};
