/* Checks and execution of ArgMax and ArgMin. */
#include "engine/ops/arg.h"

#include "engine/ops/softmax.h"
#include "kernels/order.h"

const ig_attr_field ig_arg_fields[] = {
    IG_FIELD_INT(ig_arg_attrs, axis, 0),
    IG_FIELD_INT(ig_arg_attrs, keepdims, 1),
    IG_FIELD_INT(ig_arg_attrs, select_last_index, 0),
    {0},
};

ig_status ig_arg_infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  const ig_arg_attrs *a = IG_ATTRS_OF(ig_arg_attrs, node);
  int axis = ig_shape_axis(&x->shape, a->axis);
  IG_CHECK(ig_dtype_is_float(x->dtype) || ig_dtype_is_int(x->dtype), IG_ERR_SHAPE,
           "input 0 must be numbers, found %s", ig_dtype_name(x->dtype));
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

ig_cost ig_arg_cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  total.flops = (double)ig_value_count(node->inputs[0]);
  return total;
}

ig_status ig_arg_run(const ig_call *call, bool least) {
  const ig_arg_attrs *a = IG_ATTRS_OF(ig_arg_attrs, call->node);
  const ig_value *x = call->node->inputs[0];
  ig_rows rows = ig_rows_around(x, a->axis);
  ig_cpu_arg_extreme(x->dtype, &rows, call->in[0], least, a->select_last_index != 0, call->out[0]);
  return IG_OK;
}
