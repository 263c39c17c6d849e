/* ingot.SliceGrad: input 0 at its place in a tensor of zeros of shape `shape`: element i of dimension
 * d lies at starts[d] + i * steps[d]. */
#include "engine/ops/op.h"
#include "kernels/movement.h"

typedef struct slice_grad_attrs {
  ig_ints shape, starts, steps;
} slice_grad_attrs;

static const ig_attr_field slice_grad_fields[] = {
    IG_FIELD_INTS(slice_grad_attrs, shape),
    IG_FIELD_INTS(slice_grad_attrs, starts),
    IG_FIELD_INTS(slice_grad_attrs, steps),
    {.name = NULL},
};

static ig_status slice_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0];
  const slice_grad_attrs *attrs = IG_ATTRS_OF(slice_grad_attrs, node);
  int rank = attrs->shape.n;
  IG_CHECK(rank == dy->shape.rank && attrs->starts.n == rank && attrs->steps.n == rank,
           IG_ERR_SHAPE, "shape, starts and steps have %d, %d and %d entries for %s", rank,
           attrs->starts.n, attrs->steps.n, IG_SHAPE_STR(&dy->shape));
  ig_shape out = ig_shape_of(rank, attrs->shape.v);
  IG_TRY(ig_shape_check(&out, dy->dtype));
  for (int d = 0; d < rank; d++) {
    int64_t dim = dy->shape.dims[d], first = attrs->starts.v[d], step = attrs->steps.v[d], last;
    if (dim == 0) continue;
    bool fits = step != 0 && first >= 0 && first < out.dims[d] &&
                !__builtin_mul_overflow(dim - 1, step, &last) &&
                !__builtin_add_overflow(last, first, &last) && last >= 0 && last < out.dims[d];
    IG_CHECK(fits, IG_ERR_SHAPE, "%lld elements from %lld by %lld leave dimension %d of %s",
             (long long)dim, (long long)first, (long long)step, d, IG_SHAPE_STR(&out));
  }
  return ig_infer_set(node, 0, dy->dtype, &out);
}

static void slice_grad_grad(const ig_grad *grad) {
  const slice_grad_attrs *attrs = IG_ATTRS_OF(slice_grad_attrs, grad->node);
  const ig_shape *taken = &grad->node->inputs[0]->shape;
  int64_t ends[IG_MAX_RANK];
  for (int d = 0; d < taken->rank; d++) {
    int64_t step = attrs->steps.v[d], last = (taken->dims[d] - 1) * step;
    ends[d] = taken->dims[d] ? attrs->starts.v[d] + last + (step > 0 ? 1 : -1) : 0;
    if (ends[d] < 0) ends[d] = INT64_MIN; /* before the first element, not the last */
  }
  int rank = taken->rank;
  ig_graph *graph = grad->graph;
  int64_t axes[IG_MAX_RANK];
  for (int d = 0; d < rank; d++) axes[d] = d;
  grad->dx[0] =
      ig_op1(graph, "Slice", NULL,
             IG_INS(grad->dy[0], ig_graph_const_i64s(graph, rank, attrs->starts.v),
                    ig_graph_const_i64s(graph, rank, ends), ig_graph_const_i64s(graph, rank, axes),
                    ig_graph_const_i64s(graph, rank, attrs->steps.v)),
             IG_NO_ATTRS);
}

static ig_status slice_grad_run(const ig_call *call) {
  const ig_value *dy = call->node->inputs[0], *dx = call->node->outputs[0];
  const slice_grad_attrs *attrs = IG_ATTRS_OF(slice_grad_attrs, call->node);
  int64_t from[IG_MAX_RANK], to[IG_MAX_RANK], offset = 0;
  ig_shape_strides(&dy->shape, from);
  ig_shape_strides(&dx->shape, to);
  for (int d = 0; d < dx->shape.rank; d++) {
    if (dy->shape.dims[d]) offset += attrs->starts.v[d] * to[d];
    to[d] *= attrs->steps.v[d];
  }
  size_t size = ig_dtype_size(dx->dtype);
  const uint64_t zero = 0;
  ig_cpu_fill(size, &zero, call->out[0], ig_value_count(dx));
  if (ig_value_count(dy))
    ig_cpu_strided_copy(size, dy->shape.rank, dy->shape.dims, call->in[0], from,
                        (char *)call->out[0] + (size_t)offset * size, to);
  return IG_OK;
}

static const ig_impl slice_grad_impls[] = {
    {.name = "cpu",          .device = IG_CPU, .run = slice_grad_run},
    {.name = NULL},
};

const ig_op ig_op_slice_grad = {
    .name = "ingot.SliceGrad",
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = slice_grad_fields,
    .attrs_size = sizeof(slice_grad_attrs),
    .infer = slice_grad_infer,
    .grad = slice_grad_grad,
    .cost = ig_cost_copy,
    .impls = slice_grad_impls,
};
