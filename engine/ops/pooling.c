/* Shapes and descriptions of pooling nodes. */
#include "engine/ops/pooling.h"

#include <inttypes.h>

static ig_status check_input(const ig_value *x) {
  IG_CHECK(x->shape.rank == 3 || x->shape.rank == 4, IG_ERR_SHAPE,
           "expected an input of shape [N, C, W] or [N, C, H, W], found %s",
           IG_SHAPE_STR(&x->shape));
  return IG_OK;
}

ig_status ig_pool_shape(const ig_node *node, ig_window *window, ig_shape *result) {
  const ig_pool_attrs *a = IG_ATTRS_OF(ig_pool_attrs, node);
  const ig_value *x = node->inputs[0];
  IG_TRY(check_input(x));
  *result = x->shape;
  IG_TRY(ig_window_read(&a->window, x->shape.rank - 2, NULL, window));
  IG_TRY(
      ig_window_slide(&a->window, window, x->shape.dims + 2, a->ceil_mode != 0, result->dims + 2));
  for (int i = 0; i < 2; i++) {
    int64_t extent = ig_window_extent(window, i);
    IG_CHECK(window->begin[i] < extent && window->end[i] < extent, IG_ERR_SHAPE,
             "pads of %" PRId64 " and %" PRId64 " leave a window of extent %" PRId64 " empty",
             window->begin[i], window->end[i], extent);
  }
  return IG_OK;
}

ig_status ig_pool_grad_shape(const ig_node *node, ig_window *window, ig_shape *input) {
  const ig_pool_attrs *a = IG_ATTRS_OF(ig_pool_attrs, node);
  const ig_value *dy = node->inputs[0];
  int64_t out[2];
  IG_TRY(check_input(dy));
  IG_TRY(ig_require_float(node, 0));
  int spatial = dy->shape.rank - 2;
  IG_TRY(ig_window_read(&a->window, spatial, NULL, window));
  IG_CHECK(a->shape.n == spatial, IG_ERR_SHAPE, "attribute shape has %d numbers, expected %d",
           a->shape.n, spatial);
  IG_TRY(ig_window_slide(&a->window, window, a->shape.v, a->ceil_mode != 0, out));
  *input = dy->shape;
  for (int i = 0; i < spatial; i++) {
    IG_CHECK(dy->shape.dims[2 + i] == out[i], IG_ERR_SHAPE,
             "the gradient is %s where pooling gives an extent of %" PRId64,
             IG_SHAPE_STR(&dy->shape), out[i]);
    input->dims[2 + i] = a->shape.v[i];
  }
  return IG_OK;
}

static void describe(const ig_node *node, const ig_value *src, const ig_value *dst,
                     const ig_window *window, ig_pool *out) {
  *out = (ig_pool){
      .dtype = src->dtype,
      .layout = src->layout,
      .count_pads = IG_ATTRS_OF(ig_pool_attrs, node)->count_include_pad != 0,
  };
  ig_window_dims(&src->shape, out->src);
  ig_window_dims(&dst->shape, out->dst);
  for (int i = 0; i < 2; i++) {
    out->kernel[i] = window->kernel[i];
    out->stride[i] = window->stride[i];
    out->dilation[i] = window->dilation[i];
    out->begin[i] = window->begin[i];
    out->end[i] = window->end[i];
  }
}

ig_status ig_pool_of(const ig_node *node, ig_pool *out) {
  ig_window window;
  ig_shape y;
  IG_TRY(ig_pool_shape(node, &window, &y));
  describe(node, node->inputs[0], node->outputs[0], &window, out);
  return IG_OK;
}

ig_status ig_pool_grad_of(const ig_node *node, ig_pool *out) {
  ig_window window;
  ig_shape dx;
  IG_TRY(ig_pool_grad_shape(node, &window, &dx));
  describe(node, node->outputs[0], node->inputs[0], &window, out);
  return IG_OK;
}

void ig_pool_grad_attrs(const ig_node *node, const ig_window *window, int64_t pads[4],
                        ig_attr list[IG_POOL_GRAD_ATTRS]) {
  const ig_pool_attrs *a = IG_ATTRS_OF(ig_pool_attrs, node);
  ig_window_attr_list(window, pads, list);
  list[IG_WINDOW_ATTRS] = IG_INT("ceil_mode", a->ceil_mode);
  list[IG_WINDOW_ATTRS + 1] = IG_INT("count_include_pad", a->count_include_pad);
  list[IG_WINDOW_ATTRS + 2] = IG_INTS("shape", window->spatial, node->inputs[0]->shape.dims + 2);
}

ig_cost ig_pool_cost(const ig_node *node) {
  const ig_ints *kernel = &IG_ATTRS_OF(ig_pool_attrs, node)->window.kernel_shape;
  const ig_value *in = node->inputs[0], *out = node->outputs[0];
  double flops = (double)IG_MIN(ig_value_count(in), ig_value_count(out));
  for (int i = 0; i < kernel->n; i++) flops *= (double)kernel->v[i];
  return (ig_cost){flops, ig_cost_copy(node).bytes};
}

const char *ig_pool_reject_layouts(const ig_node *node) {
  for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    if (v->layout != node->inputs[0]->layout) return "operands differ in memory layout";
    if (v->layout != IG_LAYOUT_ROWS && v->shape.rank != 4) {
      return "only activations [N, C, H, W] have memory layouts";
    }
  }
  return NULL;
}

const char *ig_pool_reject_lanes(const ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  if (dtype != IG_F32 && dtype != IG_BF16 && dtype != IG_F16) return "not f32, bf16 or f16";
  return ig_pool_reject_layouts(node);
}

const char *ig_pool_reject_grad_lanes(const ig_node *node) {
  ig_window w;
  ig_shape shape;
  if (ig_pool_grad_shape(node, &w, &shape) != IG_OK) return "the shapes do not fit";
  bool apart = w.stride[0] >= ig_window_extent(&w, 0) && w.stride[1] >= ig_window_extent(&w, 1);
  if (node->inputs[0]->dtype != IG_F32 && !apart) return "windows overlap in a 16-bit type";
  return ig_pool_reject_lanes(node);
}
