/* Unsqueeze: puts dimensions of size 1 at the named positions of the result. */
#include "engine/ops/view.h"

static ig_status unsqueeze_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t axes[IG_MAX_RANK];
  int n_axes;
  IG_TRY(ig_value_const_ints(node->inputs[1], "axes", IG_MAX_RANK, axes, &n_axes));
  ig_shape out = {.rank = x->shape.rank + n_axes};
  IG_CHECK(out.rank <= IG_MAX_RANK, IG_ERR_SHAPE, "rank %d is beyond %d", out.rank, IG_MAX_RANK);
  bool is_axis[IG_MAX_RANK];
  IG_TRY(ig_const_axes(node, 1, out.rank, is_axis, &n_axes));
  for (int d = 0, from = 0; d < out.rank; d++) out.dims[d] = is_axis[d] ? 1 : x->shape.dims[from++];
  return ig_infer_set(node, 0, x->dtype, &out);
}

const ig_op ig_op_unsqueeze = {
    .name = "Unsqueeze",
    .since = 13,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_VIEW | IG_OP_PURE,
    .infer = unsqueeze_infer,
    .grad = ig_view_grad,
    .cost = ig_view_cost,
    .impls = ig_view_impls,
};
