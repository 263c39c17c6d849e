/* Slice: from `starts` to before `ends` by `steps` along `axes`, clamped as ONNX says: unlike
 * Python's, a start before the first element is the first also when stepping backwards. */
#include "engine/ops/slice.h"

#include "kernels/movement.h"

static ig_status slice_axis(const ig_shape *in, int64_t start, int64_t end, int64_t step, int axis,
                            ig_slice *out) {
  int64_t dim = in->dims[axis];
  IG_CHECK(step != 0 && step != INT64_MIN, IG_ERR_SHAPE, "step of axis %d is %lld", axis,
           (long long)step);
  if (start < 0) start = start < -dim ? -1 : start + dim;
  if (end < 0) end = end < -dim ? -1 : end + dim;
  int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
  start = IG_MIN(IG_MAX(start, IG_MAX(low, 0)), high);
  end = IG_MIN(IG_MAX(end, low), high);
  int64_t span = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
  out->start[axis] = IG_MAX(start, 0);
  out->step[axis] = step;
  out->out.dims[axis] = span > 0 ? (span - 1) / stride + 1 : 0;
  return IG_OK;
}

ig_status ig_slice_of(const ig_node *node, ig_slice *out) {
  const ig_shape *in = &node->inputs[0]->shape;
  int64_t starts[IG_MAX_RANK], ends[IG_MAX_RANK], axes[IG_MAX_RANK], steps[IG_MAX_RANK];
  int n, n_ends, n_axes, n_steps;
  IG_TRY(ig_value_const_ints(node->inputs[1], "starts", IG_MAX_RANK, starts, &n));
  IG_TRY(ig_value_const_ints(node->inputs[2], "ends", IG_MAX_RANK, ends, &n_ends));
  n_axes = n_steps = n;
  for (int k = 0; k < n; k++) {
    axes[k] = k;
    steps[k] = 1;
  }
  if (node->n_inputs > 3 && node->inputs[3])
    IG_TRY(ig_value_const_ints(node->inputs[3], "axes", IG_MAX_RANK, axes, &n_axes));
  if (node->n_inputs > 4 && node->inputs[4])
    IG_TRY(ig_value_const_ints(node->inputs[4], "steps", IG_MAX_RANK, steps, &n_steps));
  IG_CHECK(n_ends == n && n_axes == n && n_steps == n, IG_ERR_SHAPE,
           "%d starts, %d ends, %d axes and %d steps: they must be as many", n, n_ends, n_axes,
           n_steps);
  out->out = *in;
  for (int d = 0; d < in->rank; d++) {
    out->start[d] = 0;
    out->step[d] = 1;
  }
  bool seen[IG_MAX_RANK] = {false};
  for (int k = 0; k < n; k++) {
    int axis = ig_shape_axis(in, axes[k]);
    IG_CHECK(axis >= 0 && !seen[axis], IG_ERR_SHAPE, "axis %lld does not fit %s or is named twice",
             (long long)axes[k], IG_SHAPE_STR(in));
    seen[axis] = true;
    IG_TRY(slice_axis(in, starts[k], ends[k], steps[k], axis, out));
  }
  return IG_OK;
}

static ig_status slice_infer(ig_node *node) {
  ig_slice slice;
  IG_TRY(ig_slice_of(node, &slice));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &slice.out);
}

static void slice_grad(const ig_grad *grad) {
  ig_slice slice;
  ig_status status = ig_slice_of(grad->node, &slice);
  if (status != IG_OK) {
    ig_graph_fail(grad->graph, status);
    return;
  }
  const ig_shape *in = &grad->node->inputs[0]->shape;
  grad->dx[0] = ig_op1(grad->graph, "ingot.SliceGrad", NULL, IG_INS(grad->dy[0]),
                       IG_ATTRS(IG_INTS("shape", in->rank, in->dims),
                                IG_INTS("starts", in->rank, slice.start),
                                IG_INTS("steps", in->rank, slice.step)));
}

static ig_status slice_run(const ig_call *call) {
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
  size_t size = ig_dtype_size(x->dtype);
  ig_cpu_strided_copy(size, y->shape.rank, y->shape.dims,
                      (const char *)call->in[0] + (size_t)offset * size, from, call->out[0], to);
  return IG_OK;
}

/* Only what is taken is read. */
static ig_cost slice_cost(const ig_node *node) {
  return (ig_cost){0, 2.0 * (double)ig_value_bytes(node->outputs[0])};
}

static const ig_impl slice_impls[] = {
    {.name = "cpu",     .device = IG_CPU, .run = slice_run},
    {.name = NULL},
};

const ig_op ig_op_slice = {
    .name = "Slice",
    .since = 13,
    .n_in = {3, 5},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = slice_infer,
    .grad = slice_grad,
    .cost = slice_cost,
    .impls = slice_impls,
};
