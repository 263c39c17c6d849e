/* ArgMax: where the greatest element along an axis stands, as i64. */
#include "engine/ops/softmax.h"
#include "kernels/order.h"

typedef struct arg_max_attrs {
  int64_t axis, keepdims, select_last_index;
} arg_max_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(arg_max_attrs, axis, 0),
    IG_FIELD_INT(arg_max_attrs, keepdims, 1),
    IG_FIELD_INT(arg_max_attrs, select_last_index, 0),
    {0},
};

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  const arg_max_attrs *a = IG_ATTRS_OF(arg_max_attrs, node);
  int axis = ig_shape_axis(&x->shape, a->axis);
  IG_CHECK(x->dtype != IG_BOOL, IG_ERR_SHAPE, "input 0 must be numbers, found bool");
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld is outside shape %s", (long long)a->axis,
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(x->shape.dims[axis] > 0, IG_ERR_SHAPE, "axis %d of shape %s is empty", axis,
           IG_SHAPE_STR(&x->shape));
  ig_shape shape = {0};
  for (int d = 0; d < x->shape.rank; d++) {
    if (d != axis)
      shape.dims[shape.rank++] = x->shape.dims[d];
    else if (a->keepdims)
      shape.dims[shape.rank++] = 1;
  }
  return ig_infer_set(node, 0, IG_I64, &shape);
}

static ig_cost cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  total.flops = (double)ig_value_count(node->inputs[0]);
  return total;
}

static ig_status run(const ig_call *call) {
  const arg_max_attrs *a = IG_ATTRS_OF(arg_max_attrs, call->node);
  const ig_value *x = call->node->inputs[0];
  ig_rows rows = ig_rows_around(x, a->axis);

  ig_cpu_arg_max(x->dtype, &rows, call->in[0], a->select_last_index != 0, call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_arg_max = {
    .name = "ArgMax",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(arg_max_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
