/* Tile: the tensor laid out `repeats` times along each dimension. */
#include "engine/base/checked.h"
#include "engine/ops/view.h"
#include "kernels/movement.h"

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t repeats[IG_MAX_RANK];
  int n;
  IG_TRY(ig_value_const_ints(node->inputs[1], "repeats", IG_MAX_RANK, repeats, &n));
  IG_CHECK(n == x->shape.rank, IG_ERR_SHAPE, "%d repeats for %s", n, IG_SHAPE_STR(&x->shape));
  ig_shape shape = x->shape;
  for (int d = 0; d < n; d++) {
    IG_CHECK(ig_mul_dim(shape.dims[d], repeats[d], &shape.dims[d]), IG_ERR_SHAPE,
             "dimension %d of %s cannot be repeated %lld times", d, IG_SHAPE_STR(&x->shape),
             (long long)repeats[d]);
  }
  return ig_infer_set(node, 0, x->dtype, &shape);
}

/* Sums over the copies, one dimension at a time. */
static void grad(const ig_grad *g) {
  const ig_shape *x = &g->node->inputs[0]->shape, *y = &g->node->outputs[0]->shape;
  ig_graph *graph = g->graph;
  ig_value *dx = g->dy[0];
  if (ig_shape_count(y) == 0) {
    g->dx[0] = ig_zeros_like(graph, g->node->inputs[0]);
    return;
  }
  ig_shape now = *y;
  ig_value *axis = ig_graph_const_i64s(graph, 1, (int64_t[]){1});
  for (int d = 0; d < x->rank; d++) {
    if (now.dims[d] == x->dims[d]) continue;
    int64_t cut[3] = {ig_shape_span(&now, 0, d), now.dims[d] / x->dims[d],
                      x->dims[d] * ig_shape_span(&now, d + 1, now.rank)};
    ig_value *parts =
        ig_op1(graph, "Reshape", NULL, IG_INS(dx, ig_graph_const_i64s(graph, 3, cut)), IG_NO_ATTRS);
    dx = ig_op1(graph, "ReduceSum", NULL, IG_INS(parts, axis), IG_ATTRS(IG_INT("keepdims", 0)));
    now.dims[d] = x->dims[d];
  }
  g->dx[0] = ig_reshape_like(graph, dx, g->node->inputs[0]);
}

/* Every dimension of the result is one of copies and one of the input's. */
static ig_status run(const ig_call *call) {
  const ig_shape *x = &call->node->inputs[0]->shape, *y = &call->node->outputs[0]->shape;
  int64_t dims[IG_CPU_COPY_RANK], from[IG_CPU_COPY_RANK] = {0}, to[IG_CPU_COPY_RANK];
  int64_t own[IG_MAX_RANK], out[IG_MAX_RANK];
  if (ig_shape_count(y) == 0) return IG_OK;
  ig_shape_strides(x, own);
  ig_shape_strides(y, out);
  for (int d = 0; d < x->rank; d++) {
    dims[2 * d] = y->dims[d] / x->dims[d];
    to[2 * d] = x->dims[d] * out[d];
    dims[2 * d + 1] = x->dims[d];
    from[2 * d + 1] = own[d];
    to[2 * d + 1] = out[d];
  }
  ig_cpu_strided_copy(ig_dtype_size(call->node->inputs[0]->dtype), 2 * x->rank, dims, call->in[0],
                      from, call->out[0], to);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_tile = {
    .name = "Tile",
    .since = 6,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_copy,
    .impls = impls,
};
