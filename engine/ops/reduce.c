/* Axes, shapes and execution of the reductions. */
#include "engine/ops/reduce.h"

const ig_attr_field ig_reduce_fields[] = {
    IG_FIELD_INT(ig_reduce_attrs, keepdims, 1),
    IG_FIELD_INT(ig_reduce_attrs, noop_with_empty_axes, 0),
    {0},
};

ig_status ig_reduce_dims(const ig_node *node, bool reduced[IG_MAX_RANK]) {
  const ig_shape *shape = &node->inputs[0]->shape;
  const ig_value *axes = node->n_inputs > 1 ? node->inputs[1] : NULL;
  int64_t list[IG_MAX_RANK];
  int n = 0;
  if (axes) IG_TRY(ig_value_const_ints(axes, "axes", IG_MAX_RANK, list, &n));
  bool all = n == 0 && !IG_ATTRS_OF(ig_reduce_attrs, node)->noop_with_empty_axes;
  for (int d = 0; d < IG_MAX_RANK; d++) reduced[d] = all && d < shape->rank;
  for (int i = 0; i < n; i++) {
    int axis = ig_shape_axis(shape, list[i]);
    IG_CHECK(axis >= 0 && !reduced[axis], IG_ERR_SHAPE,
             "axis %lld is out of range or named twice for shape %s", (long long)list[i],
             IG_SHAPE_STR(shape));
    reduced[axis] = true;
  }
  return IG_OK;
}

ig_status ig_reduce_infer(ig_node *node) {
  IG_CHECK(node->inputs[0]->dtype != IG_BOOL, IG_ERR_SHAPE, "input 0 must be numbers, found bool");
  return ig_reduce_infer_extreme(node);
}

ig_status ig_reduce_infer_extreme(ig_node *node) {
  const ig_value *x = node->inputs[0];
  bool reduced[IG_MAX_RANK];
  IG_CHECK(ig_dtype_is_float(x->dtype) || ig_dtype_is_int(x->dtype) || x->dtype == IG_BOOL,
           IG_ERR_SHAPE, "input 0 must be numbers, found %s", ig_dtype_name(x->dtype));
  IG_TRY(ig_reduce_dims(node, reduced));
  bool keep = IG_ATTRS_OF(ig_reduce_attrs, node)->keepdims != 0;
  ig_shape shape = {0};
  for (int d = 0; d < x->shape.rank; d++) {
    if (!reduced[d])
      shape.dims[shape.rank++] = x->shape.dims[d];
    else if (keep)
      shape.dims[shape.rank++] = 1;
  }
  return ig_infer_set(node, 0, x->dtype, &shape);
}

/* One flop an element read. */
ig_cost ig_reduce_cost(const ig_node *node) {
  ig_cost cost = ig_cost_copy(node);
  cost.flops = (double)ig_value_count(node->inputs[0]);
  return cost;
}

int64_t ig_reduce_count(const ig_node *node) {
  int64_t results = ig_value_count(node->outputs[0]);
  return results ? ig_value_count(node->inputs[0]) / results : 0;
}

/* --- gradients ------------------------------------------------------------------------------- */

ig_value *ig_reduce_kept(const ig_grad *g, ig_value *reduced) {
  ig_shape shape = g->node->inputs[0]->shape;
  bool dims[IG_MAX_RANK];
  ig_status status = ig_reduce_dims(g->node, dims);
  if (status != IG_OK) return ig_graph_fail(g->graph, status);
  for (int d = 0; d < shape.rank; d++) shape.dims[d] = dims[d] ? 1 : shape.dims[d];
  if (!reduced || ig_shape_equal(&shape, &reduced->shape)) return reduced;
  ig_value *dims_value = ig_graph_const_i64s(g->graph, shape.rank, shape.dims);
  return ig_op1(g->graph, "Reshape", NULL, IG_INS(reduced, dims_value), IG_NO_ATTRS);
}

ig_value *ig_reduce_spread(const ig_grad *g, double scale) {
  const ig_shape *shape = &g->node->inputs[0]->shape;
  ig_value *dy = g->dy[0];
  if (scale != 1) {
    ig_value *factor = ig_scalar_like(g->graph, dy, scale);
    dy = ig_op1(g->graph, "Mul", NULL, IG_INS(dy, factor), IG_NO_ATTRS);
  }
  dy = ig_reduce_kept(g, dy);
  if (!dy || ig_shape_equal(&dy->shape, shape)) return dy;
  ig_value *to = ig_graph_const_i64s(g->graph, shape->rank, shape->dims);
  return ig_op1(g->graph, "Expand", NULL, IG_INS(dy, to), IG_NO_ATTRS);
}

void ig_reduce_extreme_grad(const ig_grad *g) {
  ig_graph *graph = g->graph;
  ig_value *x = g->node->inputs[0], *y = ig_reduce_kept(g, g->node->outputs[0]);
  ig_value *mask = ig_op1(graph, "Equal", NULL, IG_INS(x, y), IG_NO_ATTRS);
  ig_value *flags = ig_cast(graph, mask, x->dtype), *dy = ig_reduce_kept(g, g->dy[0]);
  ig_value *axes = g->node->n_inputs > 1 ? g->node->inputs[1] : NULL;
  int64_t noop = IG_ATTRS_OF(ig_reduce_attrs, g->node)->noop_with_empty_axes;
  ig_value *ties = ig_op1(graph, "ReduceSum", NULL, IG_INS(flags, axes),
                          IG_ATTRS(IG_INT("noop_with_empty_axes", noop)));
  ig_value *share = ig_op1(graph, "Div", NULL, IG_INS(dy, ties), IG_NO_ATTRS);
  ig_value *zero = ig_scalar_like(graph, x, 0);
  g->dx[0] = ig_op1(graph, "Where", NULL, IG_INS(mask, share, zero), IG_NO_ATTRS);
}

/* --- execution ------------------------------------------------------------------------------- */

ig_reduction ig_reduction_of(const ig_node *node) {
  const ig_shape *shape = &node->inputs[0]->shape;
  bool reduced[IG_MAX_RANK];
  ig_reduction r = {0};
  if (ig_reduce_dims(node, reduced) != IG_OK) return r; /* inference accepted it before */
  for (int d = 0; d < shape->rank; d++) {
    if (shape->dims[d] == 1) continue;
    bool merges = r.rank && r.reduced[r.rank - 1] == reduced[d];
    int to = merges ? r.rank - 1 : r.rank++;
    r.dims[to] = merges ? r.dims[to] * shape->dims[d] : shape->dims[d];
    r.reduced[to] = reduced[d];
  }
  return r;
}

const char *ig_reject_reduce_vector(const ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  return dtype == IG_F32 || dtype == IG_BF16 || dtype == IG_F16
             ? NULL
             : "the dtype is not f32, bf16 or f16";
}

size_t ig_reduce_workspace(const ig_node *node) {
  ig_reduction r = ig_reduction_of(node);
  return ig_cpu_reduce_workspace(node->inputs[0]->dtype, &r);
}

ig_status ig_reduce_vector(const ig_call *call, ig_reduce kind) {
  ig_reduction r = ig_reduction_of(call->node);
  ig_cpu_reduce_vector(kind, call->node->inputs[0]->dtype, &r, call->in[0], call->out[0],
                       call->workspace);
  return IG_OK;
}

ig_status ig_reduce_reference(const ig_call *call, ig_reduce kind) {
  ig_reduction r = ig_reduction_of(call->node);
  ig_cpu_reduce_reference(kind, call->node->inputs[0]->dtype, &r, call->in[0], call->out[0]);
  return IG_OK;
}
