/* Shared parts of the shape-only operators. */
#include "engine/ops/view.h"

#include <string.h>

static ig_status view_run(const ig_call *call) {
  if (call->in[0] != call->out[0])
    memcpy(call->out[0], call->in[0], ig_value_bytes(call->node->inputs[0]));
  return IG_OK;
}

const ig_impl ig_view_impls[] = {
    {.name = "cpu",    .device = IG_CPU, .run = view_run},
    {.name = NULL},
};

ig_cost ig_view_cost(const ig_node *node) {
  IG_UNUSED(node);
  return (ig_cost){0, 0};
}

ig_value *ig_reshape_like(ig_graph *graph, ig_value *value, const ig_value *like) {
  if (!value || ig_shape_equal(&value->shape, &like->shape)) return value;
  ig_value *shape = ig_graph_const_i64s(graph, like->shape.rank, like->shape.dims);
  return ig_op1(graph, "Reshape", NULL, IG_INS(value, shape), IG_ATTRS(IG_INT("allowzero", 1)));
}

void ig_view_grad(const ig_grad *grad) {
  grad->dx[0] = ig_reshape_like(grad->graph, grad->dy[0], grad->node->inputs[0]);
}

ig_value *ig_zeros_like(ig_graph *graph, const ig_value *like) {
  const double zero = 0; /* the bytes of 0 are alike in every dtype */
  ig_literal literal = {.dtype = like->dtype, .shape = IG_SHAPE(1), .data = &zero};
  ig_value *shape = ig_graph_const_i64s(graph, like->shape.rank, like->shape.dims);
  ig_attr value = {.name = "value", .type = IG_ATTR_TENSOR, .tensor = &literal};
  return ig_op1(graph, "ConstantOfShape", NULL, IG_INS(shape), 1, &value);
}

ig_status ig_const_axes(const ig_node *node, int i, int rank, bool is_axis[IG_MAX_RANK],
                        int *count) {
  memset(is_axis, 0, IG_MAX_RANK * sizeof *is_axis);
  *count = 0;
  if (i >= node->n_inputs || !node->inputs[i]) return IG_OK;
  int64_t axes[IG_MAX_RANK];
  IG_TRY(ig_value_const_ints(node->inputs[i], "axes", IG_MAX_RANK, axes, count));
  ig_shape any = {.rank = rank};
  for (int k = 0; k < *count; k++) {
    int axis = ig_shape_axis(&any, axes[k]);
    IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld is outside [-%d, %d)", (long long)axes[k], rank,
             rank);
    IG_CHECK(!is_axis[axis], IG_ERR_SHAPE, "axis %d is named twice", axis);
    is_axis[axis] = true;
  }
  return IG_OK;
}
