/* GroupNormalization, with scale and bias by channel (opset 21). Outputs 1 and 2, mean and reciprocal
 * standard deviation, are our own, for the gradient. */
#include "engine/ops/group_norm.h"

typedef struct group_normalization_attrs {
  float epsilon;
  int64_t num_groups, stash_type;
} group_normalization_attrs;

static const ig_attr_field group_normalization_fields[] = {
    IG_FIELD_FLOAT(group_normalization_attrs, epsilon, 1e-5f),
    {.name = "num_groups",
                                                 .type = IG_ATTR_INT,
                                                 .offset = offsetof(group_normalization_attrs, num_groups),
                                                 .required = true},
    IG_FIELD_INT(group_normalization_attrs, stash_type, 1),
    {.name = NULL},
};

static ig_status group_normalization_infer(ig_node *node) {
  const group_normalization_attrs *attrs = IG_ATTRS_OF(group_normalization_attrs, node);
  IG_CHECK(node->n_outputs != 2, IG_ERR_SHAPE, "has 1 or 3 outputs, found 2");
  return ig_group_norm_infer(node, attrs->num_groups, attrs->epsilon);
}

static void group_normalization_grad(const ig_grad *grad) {
  ig_group_norm_grad(grad, IG_ATTRS_OF(group_normalization_attrs, grad->node)->num_groups);
}

static ig_status group_normalization_run(const ig_call *call) {
  const group_normalization_attrs *attrs = IG_ATTRS_OF(group_normalization_attrs, call->node);
  return ig_group_norm_run(call, attrs->num_groups, attrs->epsilon, false);
}

static ig_status group_normalization_reference(const ig_call *call) {
  const group_normalization_attrs *attrs = IG_ATTRS_OF(group_normalization_attrs, call->node);
  return ig_group_norm_run(call, attrs->num_groups, attrs->epsilon, true);
}

static const ig_impl group_normalization_impls[] = {
    {.name = "simd",               .device = IG_CPU, .reject = ig_reject_not_f32, .run = group_normalization_run},
    {.name = "reference", .device = IG_CPU, .run = group_normalization_reference},
    {.name = NULL                           },
};

const ig_op ig_op_group_normalization = {
    .name = "GroupNormalization",
    .since = 21,
    .n_in = {3, 3},
    .n_out = {1, 3},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = group_normalization_fields,
    .attrs_size = sizeof(group_normalization_attrs),
    .infer = group_normalization_infer,
    .grad = group_normalization_grad,
    .cost = ig_group_norm_cost,
    .impls = group_normalization_impls,
};
