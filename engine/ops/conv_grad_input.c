/* ingot.ConvGradInput: the gradient of a convolution's input from that of its result, dY, and the
 * filter W. `shape` holds the input's spatial dims, which strides leave open. */
#include <inttypes.h>

#include "engine/base/checked.h"
#include "engine/ops/convolution.h"
#include "kernels/lib/onednn.h"

typedef struct conv_grad_input_attrs {
  ig_window_attrs window;
  int64_t group;
  ig_ints shape;
} conv_grad_input_attrs;

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(conv_grad_input_attrs),
    IG_FIELD_INT(conv_grad_input_attrs, group, 1),
    IG_FIELD_INTS(conv_grad_input_attrs, shape),
    {0},
};

static ig_status window_of(const ig_node *node, ig_window *window) {
  const conv_grad_input_attrs *a = IG_ATTRS_OF(conv_grad_input_attrs, node);
  const ig_shape *w = &node->inputs[1]->shape;
  return ig_window_read(&a->window, w->rank - 2, w->dims + 2, window);
}

static ig_status infer(ig_node *node) {
  const conv_grad_input_attrs *a = IG_ATTRS_OF(conv_grad_input_attrs, node);
  const ig_value *dy = node->inputs[0], *w = node->inputs[1];
  ig_window window;
  int64_t out[IG_WINDOW_AXES];
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_conv_check_filter(dy, w, a->group, "gradient"));
  IG_CHECK(dy->shape.dims[1] == w->shape.dims[0], IG_ERR_SHAPE,
           "a gradient of %" PRId64 " channels does not fit the filter %s", dy->shape.dims[1],
           IG_SHAPE_STR(&w->shape));
  IG_TRY(window_of(node, &window));
  IG_CHECK(a->shape.n == window.spatial, IG_ERR_SHAPE,
           "attribute shape has %d numbers, expected %d", a->shape.n, window.spatial);
  IG_TRY(ig_window_slide(&a->window, &window, a->shape.v, false, out));
  ig_shape dx = dy->shape;
  IG_CHECK(ig_mul_dim(w->shape.dims[1], a->group, &dx.dims[1]), IG_ERR_SHAPE, "too many channels");
  for (int i = 0; i < window.spatial; i++) {
    IG_CHECK(dy->shape.dims[2 + i] == out[i], IG_ERR_SHAPE,
             "the gradient is %s where the convolution gives an extent of %" PRId64,
             IG_SHAPE_STR(&dy->shape), out[i]);
    dx.dims[2 + i] = a->shape.v[i];
  }
  return ig_infer_set(node, 0, dy->dtype, &dx);
}

static ig_cost cost(const ig_node *node) {
  return ig_conv_cost(node, node->inputs[0], &node->inputs[1]->shape);
}

ig_status ig_conv_grad_input_describe(const ig_node *node, ig_conv *out) {
  ig_window window;
  IG_TRY(window_of(node, &window));
  ig_conv_describe(node->outputs[0], node->inputs[0], &window,
                   IG_ATTRS_OF(conv_grad_input_attrs, node)->group, out);
  return IG_OK;
}

static ig_status prepare_onednn(ig_call *call) {
  ig_conv spec;
  ig_dnn *dnn;
  IG_TRY(ig_conv_grad_input_describe(call->node, &spec));
  IG_TRY(ig_dnn_conv_src_create(&spec, call->in[1], &dnn));
  call->state = dnn;
  if (ig_dnn_keeps(dnn, 1)) call->packed = 1u << 1;
  call->workspace_size = ig_dnn_workspace(dnn);
  return IG_OK;
}

static ig_status run_onednn(const ig_call *call) {
  const void *operands[] = {call->in[0], call->in[1], call->out[0]};
  return ig_dnn_run(call->state, operands, call->workspace);
}

static ig_status run_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_grad_input_describe(call->node, &spec));
  ig_cpu_conv_src_reference(&spec, call->in[0], call->in[1], NULL, call->out[0]);
  return IG_OK;
}

static ig_status run_volume(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_grad_input_describe(call->node, &spec));
  ig_cpu_conv_volume_src(&spec, call->in[0], call->in[1], NULL, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "onednn",
     .library_sums = true,
     .reject = ig_conv_reject_onednn,
     .prepare = prepare_onednn,
     .release = ig_conv_release,
     .run = run_onednn},
    {.name = "volume", .reject = ig_conv_reject_volume, .run = run_volume},
    {.name = "reference", .reject = ig_conv_reject_reference, .run = run_reference},
    {0},
};

const ig_op ig_op_conv_grad_input = {
    .name = "ingot.ConvGradInput",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .rows_in = 1u << 1,
    .attrs = attrs,
    .attrs_size = sizeof(conv_grad_input_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
