/* Reshape: the same elements in row-major order under another shape. In the shape input, -1 is what
 * remains, and 0 keeps the input's dimension unless allowzero is set. */
#include "engine/ops/view.h"

typedef struct reshape_attrs {
  int64_t allowzero;
} reshape_attrs;

static const ig_attr_field reshape_fields[] = {
    IG_FIELD_INT(reshape_attrs, allowzero, 0),
    {.name = NULL},
};

static ig_status reshape_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  bool keep_zero = IG_ATTRS_OF(reshape_attrs, node)->allowzero != 0;
  ig_shape out = {.rank = 0};
  IG_TRY(ig_value_const_ints(node->inputs[1], "shape", IG_MAX_RANK, out.dims, &out.rank));
  int unknown = -1;
  for (int d = 0; d < out.rank; d++) {
    if (out.dims[d] == 0 && !keep_zero) {
      IG_CHECK(d < x->shape.rank, IG_ERR_SHAPE, "0 at position %d has no dimension to copy from %s",
               d, IG_SHAPE_STR(&x->shape));
      out.dims[d] = x->shape.dims[d];
    } else if (out.dims[d] == -1) {
      IG_CHECK(unknown < 0, IG_ERR_SHAPE, "the new shape has more than one -1");
      unknown = d;
      out.dims[d] = 1;
    }
  }
  IG_TRY(ig_shape_check(&out, x->dtype));
  int64_t count = ig_value_count(x), known = ig_shape_count(&out);
  if (unknown >= 0) {
    IG_CHECK(known > 0 && count % known == 0, IG_ERR_SHAPE,
             "%lld elements do not divide into the known dimensions of the new shape (%lld)",
             (long long)count, (long long)known);
    out.dims[unknown] = count / known;
  }
  IG_CHECK(ig_shape_count(&out) == count, IG_ERR_SHAPE,
           "%s has %lld elements, the new shape %s has %lld", IG_SHAPE_STR(&x->shape),
           (long long)count, IG_SHAPE_STR(&out), (long long)ig_shape_count(&out));
  return ig_infer_set(node, 0, x->dtype, &out);
}

const ig_op ig_op_reshape = {
    .name = "Reshape",
    .since = 14,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_VIEW | IG_OP_PURE,
    .attrs = reshape_fields,
    .attrs_size = sizeof(reshape_attrs),
    .infer = reshape_infer,
    .grad = ig_view_grad,
    .cost = ig_view_cost,
    .impls = ig_view_impls,
};
