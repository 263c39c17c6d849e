/* ingot.GroupNormalizationGrad: inputs dy, x, scale, mean and reciprocal standard deviation; outputs
 * dx, dscale and dbias. */
#include "engine/ops/group_norm.h"

typedef struct group_normalization_grad_attrs {
  int64_t num_groups;
} group_normalization_grad_attrs;

static const ig_attr_field group_normalization_grad_fields[] = {
    IG_FIELD_INT(group_normalization_grad_attrs, num_groups, 1),
    {.name = NULL},
};

static ig_status shape_of(const ig_node *node, ig_group_norm *out) {
  int64_t groups = IG_ATTRS_OF(group_normalization_grad_attrs, node)->num_groups;
  return ig_group_norm_shape(node->inputs[1], groups, 0, out);
}

static ig_status group_normalization_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *x = node->inputs[1];
  ig_group_norm norm = {0};
  IG_TRY(shape_of(node, &norm));
  IG_CHECK(dy->dtype == x->dtype && ig_shape_equal(&dy->shape, &x->shape), IG_ERR_SHAPE,
           "dy %s %s differs from x %s %s", ig_dtype_name(dy->dtype), IG_SHAPE_STR(&dy->shape),
           ig_dtype_name(x->dtype), IG_SHAPE_STR(&x->shape));
  IG_TRY(ig_group_norm_check(node, x, 2, "scale"));
  ig_shape stats = IG_SHAPE(norm.batch, norm.groups);
  ig_dtype dtype = x->dtype == IG_F64 ? IG_F64 : IG_F32;
  for (int i = 3; i < 5; i++) {
    const ig_value *v = node->inputs[i];
    IG_CHECK(v->dtype == dtype && ig_shape_equal(&v->shape, &stats), IG_ERR_SHAPE,
             "input %d must be statistics %s %s, found %s %s", i, ig_dtype_name(dtype),
             IG_SHAPE_STR(&stats), ig_dtype_name(v->dtype), IG_SHAPE_STR(&v->shape));
  }
  IG_TRY(ig_infer_set(node, 0, x->dtype, &x->shape));
  IG_TRY(ig_infer_set(node, 1, x->dtype, &node->inputs[2]->shape));
  return ig_infer_set(node, 2, x->dtype, &node->inputs[2]->shape);
}

static size_t group_normalization_grad_workspace(const ig_node *node) {
  ig_group_norm norm = {0};
  return shape_of(node, &norm) == IG_OK ? ig_cpu_group_norm_grad_workspace(&norm) : 0;
}

static ig_group_norm_backward operands(const ig_call *call) {
  return (ig_group_norm_backward){.dy = call->in[0],
                                  .x = call->in[1],
                                  .scale = call->in[2],
                                  .mean = call->in[3],
                                  .invstd = call->in[4],
                                  .dx = call->out[0],
                                  .dscale = call->out[1],
                                  .dbias = call->out[2]};
}

static ig_status group_normalization_grad_run(const ig_call *call) {
  ig_group_norm norm = {0};
  ig_group_norm_backward t = operands(call);
  IG_TRY(shape_of(call->node, &norm));
  ig_cpu_group_norm_grad_f32(&norm, &t, call->workspace);
  return IG_OK;
}

static ig_status group_normalization_grad_reference(const ig_call *call) {
  ig_group_norm norm = {0};
  ig_group_norm_backward t = operands(call);
  IG_TRY(shape_of(call->node, &norm));
  ig_dtype dtype = call->node->inputs[0]->dtype, stats = call->node->inputs[3]->dtype;
  ig_cpu_group_norm_grad_reference(dtype, stats, &norm, &t, call->workspace);
  return IG_OK;
}

/* Sums 4, dx 5 an element. */
static ig_cost group_normalization_grad_cost(const ig_node *node) {
  return (ig_cost){9.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl group_normalization_grad_impls[] = {
    {.name = "simd",
     .device = IG_CPU,
     .reject = ig_reject_not_f32,
     .workspace = group_normalization_grad_workspace,
     .run = group_normalization_grad_run},
    {.name = "reference",
     .device = IG_CPU,
     .workspace = group_normalization_grad_workspace,
     .run = group_normalization_grad_reference},
    {.name = NULL},
};

const ig_op ig_op_group_normalization_grad = {
    .name = "ingot.GroupNormalizationGrad",
    .n_in = {5, 5},
    .n_out = {3, 3},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = group_normalization_grad_fields,
    .attrs_size = sizeof(group_normalization_grad_attrs),
    .infer = group_normalization_grad_infer,
    .cost = group_normalization_grad_cost,
    .impls = group_normalization_grad_impls,
};
