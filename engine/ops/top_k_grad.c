/* ingot.TopKGrad: puts dy back where TopK's elements stood, from (dy, places); the axis had `size`
 * elements. */
#include "engine/ops/softmax.h"
#include "kernels/order.h"

typedef struct top_k_grad_attrs {
  int64_t axis, size;
} top_k_grad_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(top_k_grad_attrs, axis, -1),
    {.name = "size",
     .type = IG_ATTR_INT,
     .offset = offsetof(top_k_grad_attrs, size),
     .required = true},
    {0},
};

static ig_status infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *places = node->inputs[1];
  const top_k_grad_attrs *a = IG_ATTRS_OF(top_k_grad_attrs, node);
  int axis = ig_shape_axis(&dy->shape, a->axis);
  IG_CHECK(axis >= 0 && a->size >= dy->shape.dims[axis], IG_ERR_SHAPE,
           "axis %lld of size %lld does not fit shape %s", (long long)a->axis, (long long)a->size,
           IG_SHAPE_STR(&dy->shape));
  IG_CHECK(places->dtype == IG_I64 && ig_shape_equal(&places->shape, &dy->shape), IG_ERR_SHAPE,
           "places must be i64%s, found %s%s", IG_SHAPE_STR(&dy->shape),
           ig_dtype_name(places->dtype), IG_SHAPE_STR(&places->shape));
  ig_shape shape = dy->shape;
  shape.dims[axis] = a->size;
  return ig_infer_set(node, 0, dy->dtype, &shape);
}

static ig_status run(const ig_call *call) {
  const top_k_grad_attrs *a = IG_ATTRS_OF(top_k_grad_attrs, call->node);
  const ig_value *dy = call->node->inputs[0];
  ig_rows rows = ig_rows_around(dy, a->axis);
  int64_t k = rows.n;
  rows.n = a->size;
  ig_cpu_top_k_grad(dy->dtype, &rows, k, call->in[0], call->in[1], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_top_k_grad = {
    .name = "ingot.TopKGrad",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(top_k_grad_attrs),
    .infer = infer,
    .cost = ig_cost_copy,
    .impls = impls,
};
