/* InstanceNormalization: every channel of every sample by itself, which is a group of one channel. */
#include "engine/ops/group_norm.h"

typedef struct instance_normalization_attrs {
  float epsilon;
} instance_normalization_attrs;

static const ig_attr_field instance_normalization_fields[] = {
    IG_FIELD_FLOAT(instance_normalization_attrs, epsilon, 1e-5f),
    {.name = NULL},
};

static int64_t groups_of(const ig_node *node) {
  const ig_shape *x = &node->inputs[0]->shape;
  return x->rank > 1 ? x->dims[1] : 0;
}

static ig_status instance_normalization_infer(ig_node *node) {
  IG_CHECK(node->n_outputs != 2, IG_ERR_SHAPE, "has 1 or 3 outputs, found 2");
  return ig_group_norm_infer(node, groups_of(node),
                             IG_ATTRS_OF(instance_normalization_attrs, node)->epsilon);
}

static void instance_normalization_grad(const ig_grad *grad) {
  ig_group_norm_grad(grad, groups_of(grad->node));
}

static ig_status instance_normalization_run(const ig_call *call) {
  float epsilon = IG_ATTRS_OF(instance_normalization_attrs, call->node)->epsilon;
  return ig_group_norm_run(call, groups_of(call->node), epsilon, false);
}

static ig_status instance_normalization_reference(const ig_call *call) {
  float epsilon = IG_ATTRS_OF(instance_normalization_attrs, call->node)->epsilon;
  return ig_group_norm_run(call, groups_of(call->node), epsilon, true);
}

static const ig_impl instance_normalization_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .reject = ig_reject_not_f32,
     .run = instance_normalization_run},
    {.name = "reference", .device = IG_CPU, .run = instance_normalization_reference},
    {.name = NULL                          },
};

const ig_op ig_op_instance_normalization = {
    .name = "InstanceNormalization",
    .since = 22,
    .n_in = {3, 3},
    .n_out = {1, 3},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = instance_normalization_fields,
    .attrs_size = sizeof(instance_normalization_attrs),
    .infer = instance_normalization_infer,
    .grad = instance_normalization_grad,
    .cost = ig_group_norm_cost,
    .impls = instance_normalization_impls,
};
