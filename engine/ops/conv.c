/* Conv: convolution in one or two dimensions, with groups, dilations and automatic padding. */
#include "engine/ops/conv_forward.h"

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(ig_conv_attrs),
    IG_FIELD_INT(ig_conv_attrs, group, 1),
    {0},
};

const ig_op ig_op_conv = {
    .name = "Conv",
    .since = 11,
    .n_in = {2, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .rows_in = 1u << 1,
    .attrs = attrs,
    .attrs_size = sizeof(ig_conv_attrs),
    .infer = ig_conv_infer,
    .grad = ig_conv_grad,
    .cost = ig_conv_forward_cost,
    .impls = ig_conv_impls,
};
