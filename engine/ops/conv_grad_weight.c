/* ingot.ConvGradWeight: the gradients of a convolution's filter, and of its bias where there is a
 * second output, from its input X and the gradient of its result, dY. */
#include <inttypes.h>

#include "engine/ops/convolution.h"
#include "kernels/lib/onednn.h"

typedef struct conv_grad_weight_attrs {
  ig_window_attrs window;
  int64_t group;
} conv_grad_weight_attrs;

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(conv_grad_weight_attrs),
    IG_FIELD_INT(conv_grad_weight_attrs, group, 1),
    {0},
};

static ig_status window_of(const ig_node *node, ig_window *window) {
  const conv_grad_weight_attrs *a = IG_ATTRS_OF(conv_grad_weight_attrs, node);
  return ig_window_read(&a->window, node->inputs[0]->shape.rank - 2, NULL, window);
}

static ig_status infer(ig_node *node) {
  const conv_grad_weight_attrs *a = IG_ATTRS_OF(conv_grad_weight_attrs, node);
  const ig_value *x = node->inputs[0], *dy = node->inputs[1];
  ig_window window;
  int64_t out[IG_WINDOW_AXES];
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->shape.rank == dy->shape.rank && x->dtype == dy->dtype &&
               x->shape.dims[0] == dy->shape.dims[0],
           IG_ERR_SHAPE, "an input of %s%s does not fit a gradient of %s%s",
           ig_dtype_name(x->dtype), IG_SHAPE_STR(&x->shape), ig_dtype_name(dy->dtype),
           IG_SHAPE_STR(&dy->shape));
  IG_TRY(window_of(node, &window));
  IG_CHECK(a->group >= 1 && x->shape.dims[1] % a->group == 0 && dy->shape.dims[1] % a->group == 0,
           IG_ERR_SHAPE, "group %" PRId64 " does not divide the channels of %s and %s", a->group,
           IG_SHAPE_STR(&x->shape), IG_SHAPE_STR(&dy->shape));
  IG_TRY(ig_window_slide(&a->window, &window, x->shape.dims + 2, false, out));
  ig_shape dw = {.rank = x->shape.rank};
  dw.dims[0] = dy->shape.dims[1];
  dw.dims[1] = x->shape.dims[1] / a->group;
  for (int i = 0; i < window.spatial; i++) {
    IG_CHECK(dy->shape.dims[2 + i] == out[i], IG_ERR_SHAPE,
             "the gradient is %s where the convolution gives an extent of %" PRId64,
             IG_SHAPE_STR(&dy->shape), out[i]);
    dw.dims[2 + i] = window.kernel[IG_WINDOW_AXES - window.spatial + i];
  }
  ig_shape db = IG_SHAPE(dw.dims[0]);
  IG_TRY(ig_infer_set(node, 0, x->dtype, &dw));
  return ig_infer_set(node, 1, x->dtype, &db);
}

static ig_cost cost(const ig_node *node) {
  return ig_conv_cost(node, node->inputs[1], &node->outputs[0]->shape);
}

ig_status ig_conv_grad_weight_describe(const ig_node *node, ig_conv *out) {
  ig_window window;
  IG_TRY(window_of(node, &window));
  ig_conv_describe(node->inputs[0], node->inputs[1], &window,
                   IG_ATTRS_OF(conv_grad_weight_attrs, node)->group, out);
  out->bias = node->n_outputs > 1;
  return IG_OK;
}

static ig_status prepare_onednn(ig_call *call) {
  ig_conv spec;
  ig_dnn *dnn;
  IG_TRY(ig_conv_grad_weight_describe(call->node, &spec));
  IG_TRY(ig_dnn_conv_weights_create(&spec, &dnn));
  call->state = dnn;
  call->workspace_size = ig_dnn_workspace(dnn);
  return IG_OK;
}

static void *bias_of(const ig_call *call) {
  return call->node->n_outputs > 1 ? call->out[1] : NULL;
}

static ig_status run_onednn(const ig_call *call) {
  const void *operands[] = {call->in[0], call->in[1], call->out[0], bias_of(call)};
  return ig_dnn_run(call->state, operands, call->workspace);
}

static ig_status run_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_grad_weight_describe(call->node, &spec));
  ig_cpu_conv_weights_reference(&spec, call->in[0], call->in[1], call->out[0], bias_of(call));
  return IG_OK;
}

static ig_status run_volume(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_grad_weight_describe(call->node, &spec));
  ig_cpu_conv_volume_weights(&spec, call->in[0], call->in[1], call->out[0],
                             bias_of(call));
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "onednn",
     .sums_by_thread = true,
     .reject = ig_conv_reject_onednn,
     .prepare = prepare_onednn,
     .release = ig_conv_release,
     .run = run_onednn},
    {.name = "volume", .reject = ig_conv_reject_volume, .run = run_volume},
    {.name = "reference", .reject = ig_conv_reject_reference, .run = run_reference},
    {0},
};

const ig_op ig_op_conv_grad_weight = {
    .name = "ingot.ConvGradWeight",
    .n_in = {2, 2},
    .n_out = {1, 2},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .rows_out = 1u << 0,
    .attrs = attrs,
    .attrs_size = sizeof(conv_grad_weight_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
