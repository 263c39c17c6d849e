/* Flatten: dimensions before `axis` become the first of two, the rest the second. */
#include "engine/ops/view.h"

typedef struct flatten_attrs {
  int64_t axis;
} flatten_attrs;

static const ig_attr_field flatten_fields[] = {
    IG_FIELD_INT(flatten_attrs, axis, 1),
    {.name = NULL},
};

static ig_status flatten_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t axis = IG_ATTRS_OF(flatten_attrs, node)->axis;
  int rank = x->shape.rank;
  IG_CHECK(axis >= -rank && axis <= rank, IG_ERR_SHAPE, "axis %lld is outside [-%d, %d]",
           (long long)axis, rank, rank);
  int cut = (int)(axis < 0 ? axis + rank : axis);
  ig_shape out = IG_SHAPE(ig_shape_span(&x->shape, 0, cut), ig_shape_span(&x->shape, cut, rank));
  return ig_infer_set(node, 0, x->dtype, &out);
}

const ig_op ig_op_flatten = {
    .name = "Flatten",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_VIEW | IG_OP_PURE,
    .attrs = flatten_fields,
    .attrs_size = sizeof(flatten_attrs),
    .infer = flatten_infer,
    .grad = ig_view_grad,
    .cost = ig_view_cost,
    .impls = ig_view_impls,
};
