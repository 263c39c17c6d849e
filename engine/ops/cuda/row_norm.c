/* LayerNormalization, RMSNormalization, the residual form and their gradients on a GPU. */
#include "engine/ops/row_norm.h"

static const char *reject(const ig_node *node) {
  return node->inputs[0]->dtype == IG_F64 ? "the dtype is f64" : NULL;
}

/* The attributes that the operators have in common. */
typedef struct norm_attrs {
  int64_t axis;
  float epsilon;
} norm_attrs;

/* The gradients have no epsilon: their attributes are the axis alone. */
typedef struct axis_attrs {
  int64_t axis;
} axis_attrs;

static ig_status forward(const ig_call *call, bool center, ig_row_norm_forward t) {
  const norm_attrs *attrs = IG_ATTRS_OF(norm_attrs, call->node);
  const ig_value *x = call->node->inputs[0];
  ig_row_norm norm;
  IG_TRY(ig_row_norm_shape(x, attrs->axis, center, attrs->epsilon, &norm, NULL));
  return ig_cuda_row_norm(x->dtype, &norm, &t, call->stream);
}

static ig_status run_layer_norm(const ig_call *call) {
  return forward(call, true,
                 (ig_row_norm_forward){.x = call->in[0],
                                       .scale = call->in[1],
                                       .bias = ig_row_norm_in(call, 2),
                                       .y = call->out[0],
                                       .mean = ig_row_norm_out(call, 1),
                                       .invstd = ig_row_norm_out(call, 2)});
}

static ig_status run_rms_norm(const ig_call *call) {
  return forward(call, false,
                 (ig_row_norm_forward){.x = call->in[0],
                                       .scale = call->in[1],
                                       .y = call->out[0],
                                       .invstd = ig_row_norm_out(call, 1)});
}

static ig_status run_add_layer_norm(const ig_call *call) {
  return forward(call, true,
                 (ig_row_norm_forward){.x = call->in[0],
                                       .residual = call->in[1],
                                       .scale = call->in[2],
                                       .bias = ig_row_norm_in(call, 3),
                                       .sum = call->out[0],
                                       .y = call->out[1],
                                       .mean = ig_row_norm_out(call, 2),
                                       .invstd = ig_row_norm_out(call, 3)});
}

/* --- gradients ----------------------------------------------------------------------------------- */

static ig_status shape_of(const ig_node *node, bool center, ig_row_norm *out) {
  return ig_row_norm_shape(node->inputs[1], IG_ATTRS_OF(axis_attrs, node)->axis, center, 0, out,
                           NULL);
}

static size_t grad_workspace(const ig_node *node) {
  ig_row_norm norm = {0};
  return shape_of(node, true, &norm) == IG_OK ? ig_cuda_row_norm_grad_workspace(&norm) : 0;
}

static ig_status backward(const ig_call *call, bool center, ig_row_norm_backward t) {
  ig_row_norm norm;
  IG_TRY(shape_of(call->node, center, &norm));
  return ig_cuda_row_norm_grad(call->node->inputs[0]->dtype, &norm, &t, call->workspace,
                               call->stream);
}

static ig_status run_layer_norm_grad(const ig_call *call) {
  return backward(call, true,
                  (ig_row_norm_backward){.dy = call->in[0],
                                         .x = call->in[1],
                                         .scale = call->in[2],
                                         .mean = call->in[3],
                                         .invstd = call->in[4],
                                         .extra = ig_row_norm_in(call, 5),
                                         .dx = call->out[0],
                                         .dscale = call->out[1],
                                         .dbias = ig_row_norm_out(call, 2)});
}

static ig_status run_rms_norm_grad(const ig_call *call) {
  return backward(call, false,
                  (ig_row_norm_backward){.dy = call->in[0],
                                         .x = call->in[1],
                                         .scale = call->in[2],
                                         .invstd = call->in[3],
                                         .dx = call->out[0],
                                         .dscale = call->out[1]});
}

#define IMPLS(stem, room)                                                                          \
  static const ig_impl stem##_impls[] = {{.name = "rows",                                          \
                                          .device = IG_CUDA,                                       \
                                          .reject = reject,                                        \
                                          .workspace = room,                                       \
                                          .run = run_##stem},                                      \
                                         {0}};

IMPLS(layer_norm, NULL)
IMPLS(rms_norm, NULL)
IMPLS(add_layer_norm, NULL)
IMPLS(layer_norm_grad, grad_workspace)
IMPLS(rms_norm_grad, grad_workspace)

static const struct ig_op_impls ops[] = {{"LayerNormalization", layer_norm_impls},
                                         {"RMSNormalization", rms_norm_impls},
                                         {"ingot.AddLayerNormalization", add_layer_norm_impls},
                                         {"ingot.LayerNormalizationGrad", layer_norm_grad_impls},
                                         {"ingot.RMSNormalizationGrad", rms_norm_grad_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_row_norm = {.ops = ops};
