/* GroupNormalization, InstanceNormalization and their gradient on a GPU. */
#include "engine/ops/group_norm.h"

typedef struct group_attrs {
  float epsilon;
  int64_t num_groups;
} group_attrs;

typedef struct instance_attrs {
  float epsilon;
} instance_attrs;

typedef struct grad_attrs {
  int64_t num_groups;
} grad_attrs;

static const char *reject(const ig_node *node) {
  return node->inputs[0]->dtype == IG_F64 ? "the dtype is f64" : NULL;
}

static ig_status forward(const ig_call *call, int64_t groups, float epsilon) {
  const ig_value *x = call->node->inputs[0];
  bool stats = call->node->n_outputs > 2;
  ig_group_norm norm = {0};
  IG_TRY(ig_group_norm_shape(x, groups, epsilon, &norm));
  ig_group_norm_forward t = {.x = call->in[0],
                             .scale = call->in[1],
                             .bias = call->in[2],
                             .y = call->out[0],
                             .mean = stats ? call->out[1] : NULL,
                             .invstd = stats ? call->out[2] : NULL};
  return ig_cuda_group_norm(x->dtype, &norm, &t, call->stream);
}

static ig_status run_group(const ig_call *call) {
  const group_attrs *attrs = IG_ATTRS_OF(group_attrs, call->node);
  return forward(call, attrs->num_groups, attrs->epsilon);
}

static ig_status run_instance(const ig_call *call) {
  return forward(call, call->node->inputs[0]->shape.dims[1],
                 IG_ATTRS_OF(instance_attrs, call->node)->epsilon);
}

static ig_status shape_of(const ig_node *node, ig_group_norm *out) {
  return ig_group_norm_shape(node->inputs[1], IG_ATTRS_OF(grad_attrs, node)->num_groups, 0, out);
}

static size_t grad_workspace(const ig_node *node) {
  ig_group_norm norm = {0};
  return shape_of(node, &norm) == IG_OK ? ig_cuda_group_norm_grad_workspace(&norm) : 0;
}

static ig_status run_grad(const ig_call *call) {
  ig_group_norm norm = {0};
  IG_TRY(shape_of(call->node, &norm));
  ig_group_norm_backward t = {.dy = call->in[0],
                              .x = call->in[1],
                              .scale = call->in[2],
                              .mean = call->in[3],
                              .invstd = call->in[4],
                              .dx = call->out[0],
                              .dscale = call->out[1],
                              .dbias = call->out[2]};
  return ig_cuda_group_norm_grad(call->node->inputs[0]->dtype, &norm, &t, call->workspace,
                                 call->stream);
}

static const ig_impl group_impls[] = {
    {.name = "rows", .device = IG_CUDA, .reject = reject, .run = run_group}, {0}};
static const ig_impl instance_impls[] = {
    {.name = "rows", .device = IG_CUDA, .reject = reject, .run = run_instance}, {0}};
static const ig_impl grad_impls[] = {{.name = "segments",
                                      .device = IG_CUDA,
                                      .reject = reject,
                                      .workspace = grad_workspace,
                                      .run = run_grad},
                                     {0}};

static const struct ig_op_impls ops[] = {{"GroupNormalization", group_impls},
                                         {"InstanceNormalization", instance_impls},
                                         {"ingot.GroupNormalizationGrad", grad_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_group_norm = {.ops = ops};
