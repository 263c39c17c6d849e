/* Convolutions as the kernels describe them, their checks and gradient builders. */
#include "engine/ops/convolution.h"

#include <inttypes.h>

#include "kernels/lib/onednn.h"

ig_status ig_conv_check_filter(const ig_value *x, const ig_value *w, int64_t group,
                               const char *what) {
  IG_CHECK(x->shape.rank >= 3 && x->shape.rank <= 2 + IG_WINDOW_AXES, IG_ERR_SHAPE,
           "expected %s of shape [N, C, spatial...] with one to %d spatial dimensions, found %s",
           what, IG_WINDOW_AXES, IG_SHAPE_STR(&x->shape));
  IG_CHECK(w->shape.rank == x->shape.rank && w->dtype == x->dtype, IG_ERR_SHAPE,
           "the filter is %s%s where the %s is %s%s", ig_dtype_name(w->dtype),
           IG_SHAPE_STR(&w->shape), what, ig_dtype_name(x->dtype), IG_SHAPE_STR(&x->shape));
  IG_CHECK(group >= 1 && group <= INT32_MAX && w->shape.dims[0] % group == 0, IG_ERR_SHAPE,
           "group %" PRId64 " does not divide the filter's %" PRId64 " channels", group,
           w->shape.dims[0]);
  return IG_OK;
}

ig_status ig_conv_check_bias(const ig_node *node, int input, int64_t channels) {
  const ig_value *b = node->n_inputs > input ? node->inputs[input] : NULL;
  IG_CHECK(!b || (b->dtype == node->inputs[0]->dtype && b->shape.rank == 1 &&
                  b->shape.dims[0] == channels),
           IG_ERR_SHAPE, "the bias is %s%s, expected %s[%" PRId64 "]",
           b ? ig_dtype_name(b->dtype) : "", b ? IG_SHAPE_STR(&b->shape) : "",
           ig_dtype_name(node->inputs[0]->dtype), channels);
  return IG_OK;
}

void ig_conv_describe(const ig_value *src, const ig_value *dst, const ig_window *window,
                      int64_t group, ig_conv *out) {
  *out = (ig_conv){
      .dtype = src->dtype, .groups = group, .src_layout = src->layout, .dst_layout = dst->layout};
  ig_window_dims(&src->shape, out->src);
  ig_window_dims(&dst->shape, out->dst);
  for (int i = 0; i < 2; i++) {
    int axis = IG_WINDOW_AXES - 2 + i;
    out->kernel[i] = window->kernel[axis];
    out->stride[i] = window->stride[axis];
    out->dilation[i] = window->dilation[axis];
    out->pad_begin[i] = window->begin[axis];
    out->pad_end[i] = window->end[axis];
  }
  out->depth = ig_window_depth(window, &src->shape, &dst->shape);
}

ig_cost ig_conv_cost(const ig_node *node, const ig_value *dst, const ig_shape *filter) {
  double window = (double)ig_shape_span(filter, 1, filter->rank);
  return (ig_cost){2.0 * (double)ig_value_count(dst) * window, ig_cost_copy(node).bytes};
}

static bool is_volume(const ig_node *node) {
  return node->inputs[0]->shape.rank > 4;
}

static bool layouts_fit(const ig_node *node) {
  for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    if (v && v->layout != IG_LAYOUT_ROWS && v->shape.rank != 4) return false;
  }
  return true;
}

const char *ig_conv_reject_reference(const ig_node *node) {
  if (is_volume(node)) return "three spatial dimensions are the CPU's";
  return layouts_fit(node) ? NULL : "only activations [N, C, H, W] have memory layouts";
}

const char *ig_conv_reject_volume(const ig_node *node) {
  return is_volume(node) ? NULL : "no third spatial dimension";
}

const char *ig_conv_reject_onednn(const ig_node *node) {
  if (!ig_dnn_supports(node->inputs[0]->dtype)) return "no fast code for this type here";
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i] && ig_value_count(node->inputs[i]) == 0) return "an operand is empty";
  }
  return is_volume(node) ? NULL : ig_conv_reject_reference(node);
}

void ig_conv_release(ig_call *call) {
  ig_dnn_destroy(call->state);
  call->state = NULL;
}

ig_value *ig_conv_grad_input(ig_graph *graph, ig_value *dy, ig_value *w, const ig_value *x,
                             const ig_window *window, int64_t group) {
  int64_t pads[2 * IG_WINDOW_AXES];
  ig_attr list[IG_WINDOW_ATTRS + 2];
  ig_window_attr_list(window, pads, list);
  list[IG_WINDOW_ATTRS] = IG_INT("group", group);
  list[IG_WINDOW_ATTRS + 1] = IG_INTS("shape", window->spatial, x->shape.dims + 2);
  return ig_op1(graph, "ingot.ConvGradInput", NULL, IG_INS(dy, w), IG_COUNT(list), list);
}

void ig_conv_grad_weight(ig_graph *graph, ig_value *x, ig_value *dy, const ig_window *window,
                         int64_t group, ig_value **dw, ig_value **db) {
  int64_t pads[2 * IG_WINDOW_AXES];
  ig_attr list[IG_WINDOW_ATTRS + 1];
  ig_window_attr_list(window, pads, list);
  list[IG_WINDOW_ATTRS] = IG_INT("group", group);
  ig_node *node = ig_graph_node(graph, "ingot.ConvGradWeight", NULL, IG_INS(x, dy), IG_COUNT(list),
                                list, db ? 2 : 1);
  if (!node) return;
  *dw = node->outputs[0];
  if (db) *db = node->outputs[1];
}
