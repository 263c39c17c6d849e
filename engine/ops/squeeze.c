/* Squeeze: drops the named dimensions of size 1, or all of them when none is named. */
#include "engine/ops/view.h"

static ig_status squeeze_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  bool is_axis[IG_MAX_RANK];
  int n_axes;
  IG_TRY(ig_const_axes(node, 1, x->shape.rank, is_axis, &n_axes));
  bool named = node->n_inputs > 1 && node->inputs[1];
  ig_shape out = {.rank = 0};
  for (int d = 0; d < x->shape.rank; d++) {
    IG_CHECK(!is_axis[d] || x->shape.dims[d] == 1, IG_ERR_SHAPE,
             "dimension %d of %s is not 1 and cannot be dropped", d, IG_SHAPE_STR(&x->shape));
    bool drop = named ? is_axis[d] : x->shape.dims[d] == 1;
    if (!drop) out.dims[out.rank++] = x->shape.dims[d];
  }
  return ig_infer_set(node, 0, x->dtype, &out);
}

const ig_op ig_op_squeeze = {
    .name = "Squeeze",
    .since = 13,
    .n_in = {1, 2},
    .n_out = {1, 1},
    .flags = IG_OP_VIEW | IG_OP_PURE,
    .infer = squeeze_infer,
    .grad = ig_view_grad,
    .cost = ig_view_cost,
    .impls = ig_view_impls,
};
