/* Shapes and descriptions of pooling nodes. */
#include "engine/ops/pooling.h"

#include <inttypes.h>

static ig_status check_input(const ig_value *x) {
  IG_CHECK(x->shape.rank >= 3 && x->shape.rank <= 2 + IG_WINDOW_AXES, IG_ERR_SHAPE,
           "expected an input of shape [N, C, spatial...] with one to %d spatial dimensions, found %s",
           IG_WINDOW_AXES, IG_SHAPE_STR(&x->shape));
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
  for (int i = 0; i < IG_WINDOW_AXES; i++) {
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
  int64_t out[IG_WINDOW_AXES];
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
    int axis = IG_WINDOW_AXES - 2 + i;
    out->kernel[i] = window->kernel[axis];
    out->stride[i] = window->stride[axis];
    out->dilation[i] = window->dilation[axis];
    out->begin[i] = window->begin[axis];
    out->end[i] = window->end[axis];
  }
  out->depth = ig_window_depth(window, &src->shape, &dst->shape);
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

void ig_pool_grad_attrs(const ig_node *node, const ig_window *window,
                        int64_t pads[2 * IG_WINDOW_AXES], ig_attr list[IG_POOL_GRAD_ATTRS]) {
  const ig_pool_attrs *a = IG_ATTRS_OF(ig_pool_attrs, node);
  ig_window_attr_list(window, pads, list);
  list[IG_WINDOW_ATTRS] = IG_INT("ceil_mode", a->ceil_mode);
  list[IG_WINDOW_ATTRS + 1] = IG_INT("count_include_pad", a->count_include_pad);
  list[IG_WINDOW_ATTRS + 2] = IG_INTS("shape", window->spatial, node->inputs[0]->shape.dims + 2);
}

/* --- whole channels --------------------------------------------------------------------------- */

ig_status ig_pool_global_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->shape.rank >= 2, IG_ERR_SHAPE, "expected an input of shape [N, C, ...], found %s",
           IG_SHAPE_STR(&x->shape));
  ig_shape y = x->shape;
  for (int i = 2; i < y.rank; i++) y.dims[i] = 1;
  return ig_infer_set(node, 0, x->dtype, &y);
}

ig_cost ig_pool_global_cost(const ig_node *node) {
  return (ig_cost){(double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

void ig_pool_line_of(const ig_node *node, ig_pool *out) {
  const ig_shape *x = &node->inputs[0]->shape;
  int64_t length = ig_shape_span(x, 2, x->rank);
  *out = (ig_pool){.dtype = node->inputs[0]->dtype,
                   .src = {x->dims[0], x->dims[1], 1, length},
                   .dst = {x->dims[0], x->dims[1], 1, 1},
                   .kernel = {1, length},
                   .stride = {1, 1},
                   .dilation = {1, 1}};
}

ig_value *ig_lp_grad_outer(ig_graph *graph, ig_value *y, ig_value *dy, double p) {
  if (p == 1) return dy;
  ig_value *zero = ig_scalar_like(graph, y, 0), *one = ig_scalar_like(graph, y, 1);
  ig_value *empty = ig_op1(graph, "Equal", NULL, IG_INS(y, zero), IG_NO_ATTRS);
  ig_value *safe = ig_op1(graph, "Where", NULL, IG_INS(empty, one, y), IG_NO_ATTRS);
  ig_value *power =
      ig_op1(graph, "Pow", NULL, IG_INS(safe, ig_scalar_like(graph, y, 1 - p)), IG_NO_ATTRS);
  return ig_op1(graph, "Mul", NULL, IG_INS(dy, power), IG_NO_ATTRS);
}

ig_value *ig_lp_grad_inner(ig_graph *graph, ig_value *x, double p) {
  if (p == 2) return x;
  ig_value *sign = ig_op1(graph, "Sign", NULL, IG_INS(x), IG_NO_ATTRS);
  if (p == 1) return sign;
  ig_value *size = ig_op1(graph, "Abs", NULL, IG_INS(x), IG_NO_ATTRS);
  size = ig_op1(graph, "Pow", NULL, IG_INS(size, ig_scalar_like(graph, x, p - 1)), IG_NO_ATTRS);
  return ig_op1(graph, "Mul", NULL, IG_INS(sign, size), IG_NO_ATTRS);
}

ig_cost ig_pool_cost(const ig_node *node) {
  const ig_ints *kernel = &IG_ATTRS_OF(ig_pool_attrs, node)->window.kernel_shape;
  const ig_value *in = node->inputs[0], *out = node->outputs[0];
  double flops = (double)IG_MIN(ig_value_count(in), ig_value_count(out));
  for (int i = 0; i < kernel->n; i++) flops *= (double)kernel->v[i];
  return (ig_cost){flops, ig_cost_copy(node).bytes};
}

const char *ig_pool_reject_volume(const ig_node *node) {
  return node->inputs[0]->shape.rank > 4 ? NULL : "no third spatial dimension";
}

const char *ig_pool_reject_layouts(const ig_node *node) {
  if (node->inputs[0]->shape.rank > 4) return "three spatial dimensions are the CPU's";
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
  bool apart = w.stride[1] >= ig_window_extent(&w, 1) && w.stride[2] >= ig_window_extent(&w, 2);
  if (node->inputs[0]->dtype != IG_F32 && !apart) return "windows overlap in a 16-bit type";
  return ig_pool_reject_lanes(node);
}
