/* ingot.FusedConv: activation(Conv(X, W, B) + Z), with B and Z optional. Z has the result's
 * shape, and the result may overwrite it: the sum at the end of a residual block costs no pass
 * of its own. */
#include "engine/ops/conv_forward.h"

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(ig_conv_attrs),
    IG_FIELD_INT(ig_conv_attrs, group, 1),
    IG_FIELD_STRING(ig_conv_attrs, activation, ""), /* see activation.h */
    IG_FIELD_FLOAT(ig_conv_attrs, activation_alpha, 0),
    IG_FIELD_FLOAT(ig_conv_attrs, activation_beta, 0),
    {0},
};

static int inplace(const ig_node *node, int output) {
  return output == 0 && node->n_inputs > 3 && node->inputs[3] ? 3 : -1;
}

const ig_op ig_op_fused_conv = {
    .name = "ingot.FusedConv",
    .n_in = {2, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT | IG_OP_INPLACE,
    .rows_in = 1u << 1,
    .attrs = attrs,
    .attrs_size = sizeof(ig_conv_attrs),
    .infer = ig_conv_infer,
    .grad = ig_conv_grad,
    .cost = ig_conv_forward_cost,
    .inplace = inplace,
    .impls = ig_conv_impls,
};
