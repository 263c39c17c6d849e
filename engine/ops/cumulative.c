/* Checks and execution of the cumulative operators. */
#include "engine/ops/cumulative.h"

const ig_attr_field ig_cumulative_fields[] = {
    IG_FIELD_INT(ig_cumulative_attrs, exclusive, 0),
    IG_FIELD_INT(ig_cumulative_attrs, reverse, 0),
    {0},
};

ig_status ig_cumulative_infer(ig_node *node, int i) {
  const ig_value *x = node->inputs[0], *axis = node->inputs[i];
  IG_CHECK(ig_dtype_is_float(x->dtype) || ig_dtype_is_int(x->dtype), IG_ERR_SHAPE,
           "input 0 must be numbers, found %s", ig_dtype_name(x->dtype));
  IG_CHECK(x->shape.rank > 0, IG_ERR_SHAPE, "a scalar has no axis");
  IG_CHECK((axis->dtype == IG_I64 || axis->dtype == IG_I32) && ig_value_count(axis) == 1,
           IG_ERR_SHAPE, "axis must be one i64 or i32, found %s%s", ig_dtype_name(axis->dtype),
           IG_SHAPE_STR(&axis->shape));
  return ig_infer_same(node);
}

ig_status ig_cumulative_scan(const ig_call *call, int i, bool product, ig_scan *out) {
  const ig_node *node = call->node;
  const ig_cumulative_attrs *a = IG_ATTRS_OF(ig_cumulative_attrs, node);
  const ig_shape *shape = &node->inputs[0]->shape;
  bool wide = node->inputs[i]->dtype == IG_I64;
  int64_t given = wide ? *(const int64_t *)call->in[i] : *(const int32_t *)call->in[i];
  int axis = ig_shape_axis(shape, given);
  IG_CHECK(axis >= 0, IG_ERR_INPUT, "%s: axis %lld does not fit %s", node->name, (long long)given,
           IG_SHAPE_STR(shape));
  *out = (ig_scan){.product = product,
                   .exclusive = a->exclusive != 0,
                   .reverse = a->reverse != 0,
                   .outer = ig_shape_span(shape, 0, axis),
                   .n = shape->dims[axis],
                   .inner = ig_shape_span(shape, axis + 1, shape->rank)};
  return IG_OK;
}

ig_status ig_cumulative_run(const ig_call *call, bool product) {
  ig_scan scan;
  IG_TRY(ig_cumulative_scan(call, 1, product, &scan));
  ig_cpu_scan(call->node->inputs[0]->dtype, &scan, call->in[0], call->out[0]);
  return IG_OK;
}
