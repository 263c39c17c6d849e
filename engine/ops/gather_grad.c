/* ingot.GatherGrad: sums rows of dy into a tensor whose dimension `axis` has `rows` entries, by the
 * indices of the Gather. An optional third input is added, in place where the plan allows: a tied
 * embedding then needs no second table. */
#include "kernels/gather.h"

#include "engine/ops/op.h"

typedef struct gather_grad_attrs {
  int64_t axis, rows;
} gather_grad_attrs;

static const ig_attr_field gather_grad_fields[] = {
    IG_FIELD_INT(gather_grad_attrs, axis, 0),
    IG_FIELD_INT(gather_grad_attrs, rows, 0),
    {.name = NULL},
};

static ig_status gather_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *indices = node->inputs[1];
  const ig_value *base = node->n_inputs > 2 ? node->inputs[2] : NULL;
  const gather_grad_attrs *attrs = IG_ATTRS_OF(gather_grad_attrs, node);
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(indices->dtype == IG_I64 || indices->dtype == IG_I32, IG_ERR_SHAPE,
           "indices must be i64 or i32, not %s", ig_dtype_name(indices->dtype));
  int replaced = indices->shape.rank, rank = dy->shape.rank - replaced + 1;
  IG_CHECK(attrs->axis >= 0 && attrs->axis < rank && attrs->rows >= 0, IG_ERR_SHAPE,
           "axis %lld and rows %lld do not fit dy %s with indices %s", (long long)attrs->axis,
           (long long)attrs->rows, IG_SHAPE_STR(&dy->shape), IG_SHAPE_STR(&indices->shape));
  int axis = (int)attrs->axis;
  for (int d = 0; d < replaced; d++)
    IG_CHECK(dy->shape.dims[axis + d] == indices->shape.dims[d], IG_ERR_SHAPE,
             "dy %s does not hold indices %s from dimension %d", IG_SHAPE_STR(&dy->shape),
             IG_SHAPE_STR(&indices->shape), axis);
  ig_shape out = {.rank = rank};
  for (int d = 0; d < axis; d++) out.dims[d] = dy->shape.dims[d];
  out.dims[axis] = attrs->rows;
  for (int d = axis + 1; d < rank; d++) out.dims[d] = dy->shape.dims[d + replaced - 1];
  IG_TRY(ig_shape_check(&out, dy->dtype));
  IG_CHECK(!base || (base->dtype == dy->dtype && ig_shape_equal(&base->shape, &out)), IG_ERR_SHAPE,
           "the tensor to add is %s %s, the sum %s %s", base ? ig_dtype_name(base->dtype) : "",
           base ? IG_SHAPE_STR(&base->shape) : "", ig_dtype_name(dy->dtype), IG_SHAPE_STR(&out));
  return ig_infer_set(node, 0, dy->dtype, &out);
}

static int gather_grad_inplace(const ig_node *node, int output) {
  return output == 0 && node->n_inputs > 2 && node->inputs[2] ? 2 : -1;
}

static size_t gather_grad_workspace(const ig_node *node) {
  return ig_cpu_gather_grad_workspace(IG_ATTRS_OF(gather_grad_attrs, node)->rows,
                                      ig_value_count(node->inputs[1]));
}

static ig_status gather_grad_run(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_value *indices = node->inputs[1], *dx = node->outputs[0];
  const gather_grad_attrs *attrs = IG_ATTRS_OF(gather_grad_attrs, node);
  bool wide = indices->dtype == IG_I64;
  int64_t count = ig_value_count(indices);
  int64_t outside = ig_cpu_find_outside(call->in[1], wide, count, attrs->rows);
  IG_CHECK(outside < 0, IG_ERR_INPUT, "%s: index %.0f at position %lld is outside [-%lld, %lld)",
           node->name, ig_load_f64(indices->dtype, call->in[1], outside), (long long)outside,
           (long long)attrs->rows, (long long)attrs->rows);
  ig_cpu_gather_grad(dx->dtype, ig_shape_span(&dx->shape, 0, (int)attrs->axis), attrs->rows,
                     ig_shape_span(&dx->shape, (int)attrs->axis + 1, dx->shape.rank), call->in[0],
                     call->in[1], wide, count, node->n_inputs > 2 ? call->in[2] : NULL,
                     call->out[0], call->workspace);
  return IG_OK;
}

static ig_cost gather_grad_cost(const ig_node *node) {
  return (ig_cost){(double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl gather_grad_impls[] = {
    {.name = "cpu",                       .device = IG_CPU, .workspace = gather_grad_workspace, .run = gather_grad_run},
    {.name = NULL},
};

const ig_op ig_op_gather_grad = {
    .name = "ingot.GatherGrad",
    .n_in = {2, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_INPLACE,
    .attrs = gather_grad_fields,
    .attrs_size = sizeof(gather_grad_attrs),
    .infer = gather_grad_infer,
    .cost = gather_grad_cost,
    .inplace = gather_grad_inplace,
    .impls = gather_grad_impls,
};
