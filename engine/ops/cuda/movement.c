/* Data movement on a GPU: what copies a box, repeats, pads or writes into a cache. */
#include "kernels/movement.h"

#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/ops/pad.h"
#include "engine/ops/slice.h"

static int axis_of(const ig_node *node, const ig_shape *shape) {
  return ig_shape_axis(shape, ig_attrs_of(node, "axis").i);
}

#define IMPLS(stem)                                                                                \
  static const ig_impl stem##_impls[] = {{.name = "vector", .device = IG_CUDA, .run = run_##stem}, \
                                         {0}};

/* The bytes of a value of `shape`, walked with these strides, from `source` to `target`. */
static ig_status copy_box(const ig_call *call, const ig_shape *shape, const void *source,
                          const int64_t *from, void *target, const int64_t *to) {
  return ig_cuda_strided_copy(ig_dtype_size(call->node->outputs[0]->dtype), shape->rank,
                              shape->dims, source, from, target, to, call->stream);
}

/* --- transposes, slices, repetitions ------------------------------------------------------------ */

static ig_status run_transpose(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  ig_ints perm = ig_attrs_of(call->node, "perm").ints;
  int64_t own[IG_MAX_RANK], from[IG_MAX_RANK], to[IG_MAX_RANK];
  ig_shape_strides(&x->shape, own);
  ig_shape_strides(&y->shape, to);
  for (int d = 0; d < y->shape.rank; d++) from[d] = own[perm.n ? perm.v[d] : y->shape.rank - 1 - d];
  return copy_box(call, &y->shape, call->in[0], from, call->out[0], to);
}

static ig_status run_expand(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  int64_t from[IG_MAX_RANK], to[IG_MAX_RANK];
  ig_shape_broadcast_strides(&x->shape, &y->shape, from);
  ig_shape_strides(&y->shape, to);
  return copy_box(call, &y->shape, call->in[0], from, call->out[0], to);
}

static ig_status run_slice(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *y = call->node->outputs[0];
  ig_slice slice;
  IG_TRY(ig_slice_of(call->node, &slice));
  int64_t from[IG_MAX_RANK], to[IG_MAX_RANK], offset = 0;
  ig_shape_strides(&x->shape, from);
  ig_shape_strides(&y->shape, to);
  for (int d = 0; d < x->shape.rank; d++) {
    offset += slice.start[d] * from[d];
    from[d] *= slice.step[d];
  }
  const char *source = (const char *)call->in[0] + (size_t)offset * ig_dtype_size(x->dtype);
  return copy_box(call, &y->shape, source, from, call->out[0], to);
}

static ig_status run_slice_grad(const ig_call *call) {
  const ig_value *dy = call->node->inputs[0], *dx = call->node->outputs[0];
  ig_ints starts = ig_attrs_of(call->node, "starts").ints;
  ig_ints steps = ig_attrs_of(call->node, "steps").ints;
  int64_t from[IG_MAX_RANK], to[IG_MAX_RANK], offset = 0;
  ig_shape_strides(&dy->shape, from);
  ig_shape_strides(&dx->shape, to);
  for (int d = 0; d < dx->shape.rank; d++) {
    if (dy->shape.dims[d]) offset += starts.v[d] * to[d];
    to[d] *= steps.v[d];
  }
  size_t size = ig_dtype_size(dx->dtype);
  const uint64_t zero = 0;
  IG_TRY(ig_cuda_fill(size, &zero, call->out[0], ig_value_count(dx), call->stream));
  return copy_box(call, &dy->shape, call->in[0], from, (char *)call->out[0] + (size_t)offset * size,
                  to);
}

IMPLS(transpose)
IMPLS(expand)
IMPLS(slice)
IMPLS(slice_grad)

/* --- side by side ------------------------------------------------------------------------------- */

/* [outer, mine] between the dense `part` and its place in rows of `row` elements of `whole`. */
static ig_status run_concat(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_shape *out = &node->outputs[0]->shape;
  int axis = axis_of(node, out);
  size_t size = ig_dtype_size(node->outputs[0]->dtype);
  int64_t inner = ig_shape_span(out, axis + 1, out->rank), row = out->dims[axis] * inner, at = 0;
  for (int i = 0; i < node->n_inputs; i++) {
    int64_t mine = node->inputs[i]->shape.dims[axis] * inner;
    ig_shape box = IG_SHAPE(ig_shape_span(out, 0, axis), mine);
    IG_TRY(copy_box(call, &box, call->in[i], (int64_t[]){mine, 1},
                    (char *)call->out[0] + (size_t)at * size, (int64_t[]){row, 1}));
    at += mine;
  }
  return IG_OK;
}

static ig_status run_split(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_shape *in = &node->inputs[0]->shape;
  int axis = axis_of(node, in);
  size_t size = ig_dtype_size(node->inputs[0]->dtype);
  int64_t inner = ig_shape_span(in, axis + 1, in->rank), row = in->dims[axis] * inner, at = 0;
  for (int i = 0; i < node->n_outputs; i++) {
    int64_t mine = node->outputs[i]->shape.dims[axis] * inner;
    ig_shape box = IG_SHAPE(ig_shape_span(in, 0, axis), mine);
    if (call->out[i]) {
      IG_TRY(copy_box(call, &box, (const char *)call->in[0] + (size_t)at * size,
                      (int64_t[]){row, 1}, call->out[i], (int64_t[]){mine, 1}));
    }
    at += mine;
  }
  return IG_OK;
}

static const char *reject_concat(const ig_node *node) {
  return node->outputs[0]->layout != IG_LAYOUT_ROWS ? "not row-major" : NULL;
}

static const ig_impl concat_impls[] = {
    {.name = "vector", .device = IG_CUDA, .reject = reject_concat, .run = run_concat},
    {0},
};
IMPLS(split)

/* --- padding ------------------------------------------------------------------------------------ */

static ig_status pad_box_of(const char *mode, const ig_shape *in, const ig_shape *out,
                            const int64_t *pads, ig_pad_box *box) {
  *box = (ig_pad_box){.rank = in->rank};
  for (int d = 0; d < in->rank; d++) {
    box->in[d] = in->dims[d];
    box->out[d] = out->dims[d];
    box->shift[d] = pads[d];
  }
  return ig_pad_mode_parse(mode, &box->mode);
}

static ig_status run_pad(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *x = node->inputs[0];
  int64_t pads[2 * IG_MAX_RANK];
  ig_pad_box box;
  IG_TRY(ig_pad_list(node, pads));
  IG_TRY(pad_box_of(ig_attrs_of(node, "mode").s, &x->shape, &node->outputs[0]->shape, pads, &box));
  return ig_cuda_pad(ig_dtype_size(x->dtype), &box, node->n_inputs > 2 ? call->in[2] : NULL,
                     call->in[0], call->out[0], call->stream);
}

static ig_status run_pad_grad(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *dx = node->outputs[0];
  ig_pad_box box;
  IG_TRY(pad_box_of(ig_attrs_of(node, "mode").s, &dx->shape, &node->inputs[0]->shape,
                    ig_attrs_of(node, "pads").ints.v, &box));
  return ig_cuda_pad_grad(dx->dtype, &box, call->in[0], call->out[0], call->stream);
}

static const char *reject_f64(const ig_node *node) {
  return node->inputs[0]->dtype == IG_F64 ? "f64" : NULL;
}

IMPLS(pad)
static const ig_impl pad_grad_impls[] = {
    {.name = "search", .device = IG_CUDA, .reject = reject_f64, .run = run_pad_grad}, {0}};

/* --- a cache ------------------------------------------------------------------------------------ */

static ig_status run_tensor_scatter(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_shape *cache = &node->inputs[0]->shape;
  int axis = axis_of(node, cache);
  if (call->out[0] != call->in[0]) {
    ig_shape all = IG_SHAPE(ig_shape_count(cache));
    const int64_t one[] = {1};
    IG_TRY(copy_box(call, &all, call->in[0], one, call->out[0], one));
  }
  const int64_t of[] = {cache->dims[0], ig_shape_span(cache, 1, axis), cache->dims[axis],
                        ig_shape_span(cache, axis + 1, cache->rank)};
  return ig_cuda_scatter_rows(
      ig_dtype_size(node->inputs[0]->dtype), of, node->inputs[1]->shape.dims[axis],
      node->n_inputs > 2 ? call->in[2] : NULL, strcmp(ig_attrs_of(node, "mode").s, "circular") == 0,
      call->in[1], call->out[0], call->stream);
}

IMPLS(tensor_scatter)

/* --- made from constants ------------------------------------------------------------------------ */

static ig_status run_constant_of_shape(const ig_call *call) {
  const ig_literal *value = ig_attrs_of(call->node, "value").tensor;
  const ig_value *y = call->node->outputs[0];
  const float zero = 0;
  return ig_cuda_fill(ig_dtype_size(y->dtype), value ? value->data : &zero, call->out[0],
                      ig_value_count(y), call->stream);
}

static ig_status run_range(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *y = node->outputs[0];
  ig_arithmetic series = {0};
  IG_TRY(ig_value_const_scalar(node->inputs[0], "start", 0, &series.start));
  IG_TRY(ig_value_const_scalar(node->inputs[2], "delta", 0, &series.delta));
  ig_convert(y->dtype, node->inputs[0]->data, IG_I64, &series.whole_start, 1);
  ig_convert(y->dtype, node->inputs[2]->data, IG_I64, &series.whole_delta, 1);
  return ig_cuda_range(y->dtype, &series, call->out[0], ig_value_count(y), call->stream);
}

IMPLS(constant_of_shape)
static const ig_impl range_impls[] = {
    {.name = "vector", .device = IG_CUDA, .reject = reject_f64, .run = run_range}, {0}};

/* --- known from attributes and shapes alone ---------------------------------------------------- */

/* Constants are folded, so that few are left: those that are outputs of the graph. */
static const char *reject_large(const ig_node *node) {
  return ig_value_bytes(node->outputs[0]) <= IG_WRITE_BYTES ? NULL : "more than 2 KiB";
}

static ig_status run_known(const ig_call *call) {
  uint64_t bytes[IG_WRITE_BYTES / sizeof(uint64_t)];
  const void *in[1] = {NULL};
  void *out[1] = {bytes};
  IG_TRY(ig_op_evaluate(call->node, NULL, in, out));
  return ig_cuda_write(bytes, ig_value_bytes(call->node->outputs[0]), call->out[0], call->stream);
}

static const ig_impl known_impls[] = {
    {.name = "argument", .device = IG_CUDA, .reject = reject_large, .run = run_known}, {0}};

static const struct ig_op_impls ops[] = {
    {"Constant", known_impls},
    {"Shape", known_impls},
    {"Transpose", transpose_impls},
    {"Expand", expand_impls},
    {"Slice", slice_impls},
    {"ingot.SliceGrad", slice_grad_impls},
    {"Concat", concat_impls},
    {"Split", split_impls},
    {"Pad", pad_impls},
    {"ingot.PadGrad", pad_grad_impls},
    {"TensorScatter", tensor_scatter_impls},
    {"ConstantOfShape", constant_of_shape_impls},
    {"Range", range_impls},
    {0},
};

const ig_device_ops ig_cuda_ops_movement = {.ops = ops};
