/* ConvTranspose: the gradient of a convolution's input as an operator of its own. X takes the place
 * of the convolution's result and Y that of its input, so that the filter [C, M / group, kh, kw] is
 * the convolution's as it lies; its gradients are a convolution and a filter gradient. */
#include <inttypes.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/ops/convolution.h"
#include "kernels/lib/onednn.h"

typedef struct conv_transpose_attrs {
  ig_window_attrs window;
  int64_t group;
  ig_ints output_padding, output_shape;
} conv_transpose_attrs;

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(conv_transpose_attrs),
    IG_FIELD_INT(conv_transpose_attrs, group, 1),
    IG_FIELD_INTS(conv_transpose_attrs, output_padding),
    IG_FIELD_INTS(conv_transpose_attrs, output_shape),
    {0},
};

static const ig_value *bias_of(const ig_node *node) {
  return node->n_inputs > 2 ? node->inputs[2] : NULL;
}

/* One axis: the output's extent, and pads where auto_pad or output_shape make them. */
static ig_status slide(const conv_transpose_attrs *a, ig_window *w, int i, int64_t in,
                       int64_t *out) {
  const char *mode = a->window.auto_pad;
  bool upper = strcmp(mode, "SAME_UPPER") == 0, lower = strcmp(mode, "SAME_LOWER") == 0;
  bool valid = strcmp(mode, "VALID") == 0;
  int axis = IG_WINDOW_AXES - w->spatial + i;
  int64_t extra = a->output_padding.n ? a->output_padding.v[i] : 0, most = INT32_MAX;
  IG_CHECK(upper || lower || valid || strcmp(mode, "NOTSET") == 0, IG_ERR_USAGE,
           "attribute auto_pad is '%s', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER", mode);
  IG_CHECK(in >= 1 && in <= most && w->stride[axis] <= most / in, IG_ERR_SHAPE,
           "an extent of %" PRId64 " with stride %" PRId64 " is empty or too large", in,
           w->stride[axis]);
  IG_CHECK(extra >= 0 && extra < IG_MAX(w->stride[axis], w->dilation[axis]), IG_ERR_SHAPE,
           "attribute output_padding holds %" PRId64
           ", expected less than the stride or the dilation",
           extra);
  int64_t full = (in - 1) * w->stride[axis] + extra + ig_window_extent(w, axis);
  if (valid) w->begin[axis] = w->end[axis] = 0;
  if (a->output_shape.n || upper || lower) {
    *out = a->output_shape.n ? a->output_shape.v[i] : in * w->stride[axis];
    int64_t pad = IG_MAX(full - *out, 0);
    w->begin[axis] = upper ? pad / 2 : pad - pad / 2;
    w->end[axis] = pad - w->begin[axis];
  } else {
    *out = full - w->begin[axis] - w->end[axis];
  }
  IG_CHECK(*out >= 1 && *out <= most, IG_ERR_SHAPE,
           "the output's extent would be %" PRId64 ", expected 1 to %" PRId64, *out, most);
  return IG_OK;
}

static ig_status window_of(const ig_node *node, ig_window *window, int64_t out[IG_WINDOW_AXES]) {
  const conv_transpose_attrs *a = IG_ATTRS_OF(conv_transpose_attrs, node);
  const ig_shape *x = &node->inputs[0]->shape, *w = &node->inputs[1]->shape;
  IG_TRY(ig_window_read(&a->window, x->rank - 2, w->dims + 2, window));
  IG_CHECK((a->output_padding.n == 0 || a->output_padding.n == window->spatial) &&
               (a->output_shape.n == 0 || a->output_shape.n == window->spatial),
           IG_ERR_SHAPE, "output_padding has %d numbers and output_shape %d, expected %d or none",
           a->output_padding.n, a->output_shape.n, window->spatial);
  for (int i = 0; i < window->spatial; i++) IG_TRY(slide(a, window, i, x->dims[2 + i], &out[i]));
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const conv_transpose_attrs *a = IG_ATTRS_OF(conv_transpose_attrs, node);
  const ig_value *x = node->inputs[0], *w = node->inputs[1];
  ig_window window;
  int64_t out[IG_WINDOW_AXES];
  IG_TRY(ig_require_float(node, 0));
  IG_TRY(ig_conv_check_filter(x, w, a->group, "input"));
  IG_CHECK(x->shape.dims[1] == w->shape.dims[0], IG_ERR_SHAPE,
           "an input of %" PRId64 " channels does not fit the filter %s", x->shape.dims[1],
           IG_SHAPE_STR(&w->shape));
  IG_TRY(window_of(node, &window, out));
  ig_shape y = x->shape;
  IG_CHECK(ig_mul_dim(w->shape.dims[1], a->group, &y.dims[1]), IG_ERR_SHAPE, "too many channels");
  IG_TRY(ig_conv_check_bias(node, 2, y.dims[1]));
  for (int i = 0; i < window.spatial; i++) y.dims[2 + i] = out[i];
  return ig_infer_set(node, 0, x->dtype, &y);
}

static void grad(const ig_grad *g) {
  ig_graph *graph = g->graph;
  ig_value *dy = g->dy[0], *x = g->node->inputs[0], *w = g->node->inputs[1];
  int64_t group = IG_ATTRS_OF(conv_transpose_attrs, g->node)->group, out[IG_WINDOW_AXES], pads[2 * IG_WINDOW_AXES];
  ig_window window;
  if (!dy || window_of(g->node, &window, out) != IG_OK) return;
  if (g->need[0]) {
    ig_attr list[IG_WINDOW_ATTRS + 1];
    ig_window_attr_list(&window, pads, list);
    list[IG_WINDOW_ATTRS] = IG_INT("group", group);
    g->dx[0] = ig_op1(graph, "Conv", NULL, IG_INS(dy, w), IG_COUNT(list), list);
    if (g->dx[0] && !ig_shape_equal(&g->dx[0]->shape, &x->shape)) {
      g->dx[0] = ig_graph_fail(graph, ig_fail(IG_ERR_UNSUPPORTED,
                                              "no gradient where the output is longer than what "
                                              "strides and filter cover"));
    }
  }
  if (g->need[1]) ig_conv_grad_weight(graph, dy, x, &window, group, &g->dx[1], NULL);
  if (bias_of(g->node) && g->need[2]) {
    int64_t axes[] = {0, 2, 3, 4};
    ig_value *over = ig_graph_const_i64s(graph, dy->shape.rank - 1, axes);
    g->dx[2] = ig_op1(graph, "ReduceSum", NULL, IG_INS(dy, over), IG_ATTRS(IG_INT("keepdims", 0)));
  }
}

static ig_cost cost(const ig_node *node) {
  return ig_conv_cost(node, node->inputs[0], &node->inputs[1]->shape);
}

/* --- execution -------------------------------------------------------------------------------- */

ig_status ig_conv_transpose_describe(const ig_node *node, ig_conv *out) {
  ig_window window;
  int64_t dims[IG_WINDOW_AXES];
  IG_TRY(window_of(node, &window, dims));
  ig_conv_describe(node->outputs[0], node->inputs[0], &window,
                   IG_ATTRS_OF(conv_transpose_attrs, node)->group, out);
  return IG_OK;
}

static const char *reject_onednn(const ig_node *node) {
  const char *reason = ig_conv_reject_onednn(node);
  if (reason) return reason;
  bool rounds = bias_of(node) && node->inputs[0]->dtype != IG_F32;
  return rounds ? "the bias would be added to rounded sums" : NULL;
}

static ig_status prepare_onednn(ig_call *call) {
  ig_conv spec;
  ig_dnn *dnn;
  IG_TRY(ig_conv_transpose_describe(call->node, &spec));
  IG_TRY(ig_dnn_conv_src_create(&spec, call->in[1], &dnn));
  call->state = dnn;
  if (ig_dnn_keeps(dnn, 1)) call->packed = 1u << 1;
  call->workspace_size = ig_dnn_workspace(dnn);
  return IG_OK;
}

static ig_status run_onednn(const ig_call *call) {
  const void *operands[] = {call->in[0], call->in[1], call->out[0]};
  IG_TRY(ig_dnn_run(call->state, operands, call->workspace));
  if (!bias_of(call->node)) return IG_OK;
  const ig_value *y = call->node->outputs[0];
  int64_t dims[4];
  ig_window_dims(&y->shape, dims);
  if (y->shape.rank > 4) dims[2] *= y->shape.dims[2];
  ig_cpu_channel_add(y->layout, dims, call->in[2], call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_transpose_describe(call->node, &spec));
  ig_cpu_conv_src_reference(&spec, call->in[0], call->in[1],
                            bias_of(call->node) ? call->in[2] : NULL, call->out[0]);
  return IG_OK;
}

static ig_status run_volume(const ig_call *call) {
  ig_conv spec;
  IG_TRY(ig_conv_transpose_describe(call->node, &spec));
  ig_cpu_conv_volume_src(&spec, call->in[0], call->in[1],
                         bias_of(call->node) ? call->in[2] : NULL, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "onednn",
     .library_sums = true,
     .reject = reject_onednn,
     .prepare = prepare_onednn,
     .release = ig_conv_release,
     .run = run_onednn},
    {.name = "volume", .reject = ig_conv_reject_volume, .run = run_volume},
    {.name = "reference", .reject = ig_conv_reject_reference, .run = run_reference},
    {0},
};

const ig_op ig_op_conv_transpose = {
    .name = "ConvTranspose",
    .since = 11,
    .n_in = {2, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .rows_in = 1u << 1,
    .attrs = attrs,
    .attrs_size = sizeof(conv_transpose_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
