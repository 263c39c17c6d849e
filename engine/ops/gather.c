/* Gather: slices of `data` along `axis` by index; embedding lookup is axis 0 of a matrix. */
#include "kernels/gather.h"

#include "engine/ops/op.h"

typedef struct gather_attrs {
  int64_t axis;
} gather_attrs;

static const ig_attr_field gather_fields[] = {
    IG_FIELD_INT(gather_attrs, axis, 0),
    {.name = NULL},
};

static ig_status gather_infer(ig_node *node) {
  const ig_value *x = node->inputs[0], *indices = node->inputs[1];
  int axis = ig_shape_axis(&x->shape, IG_ATTRS_OF(gather_attrs, node)->axis);
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld does not fit %s",
           (long long)IG_ATTRS_OF(gather_attrs, node)->axis, IG_SHAPE_STR(&x->shape));
  IG_CHECK(indices->dtype == IG_I64 || indices->dtype == IG_I32, IG_ERR_SHAPE,
           "indices must be i64 or i32, not %s", ig_dtype_name(indices->dtype));
  ig_shape out = {.rank = x->shape.rank - 1 + indices->shape.rank};
  IG_CHECK(out.rank <= IG_MAX_RANK, IG_ERR_SHAPE, "rank %d is beyond %d", out.rank, IG_MAX_RANK);
  int n = 0;
  for (int d = 0; d < axis; d++) out.dims[n++] = x->shape.dims[d];
  for (int d = 0; d < indices->shape.rank; d++) out.dims[n++] = indices->shape.dims[d];
  for (int d = axis + 1; d < x->shape.rank; d++) out.dims[n++] = x->shape.dims[d];
  IG_TRY(ig_shape_check(&out, x->dtype));
  return ig_infer_set(node, 0, x->dtype, &out);
}

static void gather_grad(const ig_grad *grad) {
  const ig_node *node = grad->node;
  if (!grad->need[0]) return;
  const ig_shape *shape = &node->inputs[0]->shape;
  int axis = ig_shape_axis(shape, IG_ATTRS_OF(gather_attrs, node)->axis);
  grad->dx[0] = ig_op1(grad->graph, "ingot.GatherGrad", NULL, IG_INS(grad->dy[0], node->inputs[1]),
                       IG_ATTRS(IG_INT("axis", axis), IG_INT("rows", shape->dims[axis])));
}

static ig_status gather_run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0], *indices = call->node->inputs[1];
  int axis = ig_shape_axis(&x->shape, IG_ATTRS_OF(gather_attrs, call->node)->axis);
  bool wide = indices->dtype == IG_I64;
  int64_t count = ig_value_count(indices), rows = x->shape.dims[axis];
  int64_t outside = ig_cpu_find_outside(call->in[1], wide, count, rows);
  IG_CHECK(outside < 0, IG_ERR_INPUT, "%s: index %.0f at position %lld is outside [-%lld, %lld)",
           call->node->name, ig_load_f64(indices->dtype, call->in[1], outside), (long long)outside,
           (long long)rows, (long long)rows);
  ig_cpu_gather(ig_dtype_size(x->dtype), ig_shape_span(&x->shape, 0, axis), rows,
                ig_shape_span(&x->shape, axis + 1, x->shape.rank), call->in[0], call->in[1], wide,
                count, call->out[0]);
  return IG_OK;
}

/* Of the data, only the rows taken are read. */
static ig_cost gather_cost(const ig_node *node) {
  return (ig_cost){0, 2.0 * (double)ig_value_bytes(node->outputs[0]) +
                          (double)ig_value_bytes(node->inputs[1])};
}

static const ig_impl gather_impls[] = {
    {.name = "cpu",      .device = IG_CPU, .run = gather_run},
    {.name = NULL},
};

const ig_op ig_op_gather = {
    .name = "Gather",
    .since = 13,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = gather_fields,
    .attrs_size = sizeof(gather_attrs),
    .infer = gather_infer,
    .grad = gather_grad,
    .cost = gather_cost,
    .impls = gather_impls,
};
