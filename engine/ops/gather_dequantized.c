/* ingot.GatherDequantized: rows of a table of i8 or i4 codes times their scales, by index, as f32: an
 * embedding whose table is quantized, of which only the rows gathered are made real. Inputs: table [V, K],
 * scales as DequantizeLinear has them (axis, block_size), indices. */
#include "engine/ops/op.h"
#include "kernels/gather.h"

typedef struct gather_dequantized_attrs {
  int64_t axis, block_size;
} gather_dequantized_attrs;

static const ig_attr_field fields[] = {
    IG_FIELD_INT(gather_dequantized_attrs, axis, 1),
    IG_FIELD_INT(gather_dequantized_attrs, block_size, 0),
    {.name = NULL},
};

static ig_gather_narrow describe(const ig_node *node) {
  const gather_dequantized_attrs *a = IG_ATTRS_OF(gather_dequantized_attrs, node);
  const ig_value *table = node->inputs[0], *scale = node->inputs[1];
  ig_gather_narrow g = {.rows = table->shape.dims[0],
                        .width = table->shape.dims[1],
                        .code = table->dtype,
                        .row_block = 1,
                        .column_block = IG_MAX(table->shape.dims[1], 1)};
  bool along_rows = ig_shape_axis(&table->shape, a->axis) == 0;
  if (ig_value_count(scale) == 1) return g;
  if (along_rows) {
    g.row_block = a->block_size ? a->block_size : 1;
    g.row_step = a->block_size ? g.width : 1;
    if (a->block_size) g.column_block = g.column_step = 1;
    return g;
  }
  g.column_block = a->block_size ? a->block_size : 1;
  g.column_step = 1;
  g.row_step = a->block_size ? scale->shape.dims[1] : 0;
  return g;
}

static ig_status check_scale(const ig_node *node) {
  const gather_dequantized_attrs *a = IG_ATTRS_OF(gather_dequantized_attrs, node);
  const ig_shape *x = &node->inputs[0]->shape, *scale = &node->inputs[1]->shape;
  int axis = ig_shape_axis(x, a->axis);
  IG_CHECK(axis >= 0 && a->block_size >= 0, IG_ERR_USAGE,
           "axis %lld and block_size %lld do not fit %s", (long long)a->axis,
           (long long)a->block_size, IG_SHAPE_STR(x));
  ig_shape blocks = *x;
  if (a->block_size) blocks.dims[axis] = (x->dims[axis] + a->block_size - 1) / a->block_size;
  bool one = scale->rank <= 1 && ig_shape_count(scale) == 1 && !a->block_size;
  bool each = scale->rank == 1 && scale->dims[0] == x->dims[axis] && !a->block_size;
  IG_CHECK(one || each || (a->block_size && ig_shape_equal(scale, &blocks)), IG_ERR_SHAPE,
           "scales of shape %s do not fit a table of %s", IG_SHAPE_STR(scale), IG_SHAPE_STR(x));
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const ig_value *table = node->inputs[0], *indices = node->inputs[2];
  IG_CHECK((table->dtype == IG_I8 || table->dtype == IG_I4) && table->shape.rank == 2, IG_ERR_SHAPE,
           "input 0 must be a matrix of i8 or i4, found %s %s", ig_dtype_name(table->dtype),
           IG_SHAPE_STR(&table->shape));
  IG_CHECK(node->inputs[1]->dtype == IG_F32, IG_ERR_SHAPE, "input 1 must be f32, found %s",
           ig_dtype_name(node->inputs[1]->dtype));
  IG_CHECK(indices->dtype == IG_I64 || indices->dtype == IG_I32, IG_ERR_SHAPE,
           "indices must be i64 or i32, not %s", ig_dtype_name(indices->dtype));
  IG_TRY(check_scale(node));
  ig_shape out = indices->shape;
  IG_CHECK(out.rank < IG_MAX_RANK, IG_ERR_SHAPE, "rank %d is beyond %d", out.rank + 1, IG_MAX_RANK);
  out.dims[out.rank++] = table->shape.dims[1];
  IG_TRY(ig_shape_check(&out, IG_F32));
  return ig_infer_set(node, 0, IG_F32, &out);
}

/* Codes of 4 bits that are known become two to a byte. */
static ig_status prepare(ig_call *call) {
  const ig_gather_narrow g = describe(call->node);
  if (g.code != IG_I4 || !call->in[0]) return IG_OK;
  call->state = ig_alloc((size_t)(g.rows * ((g.width + 1) / 2)) + 1);
  IG_CHECK(call->state, IG_ERR_MEMORY, "no memory for a packed table");
  ig_cpu_gather_pack(&g, call->in[0], call->state);
  call->packed = 1;
  return IG_OK;
}

static void release(ig_call *call) {
  ig_free(call->state);
  call->state = NULL;
}

static ig_status run(const ig_call *call) {
  const ig_value *indices = call->node->inputs[2];
  ig_gather_narrow g = describe(call->node);
  bool wide = indices->dtype == IG_I64;
  int64_t count = ig_value_count(indices);
  int64_t outside = ig_cpu_find_outside(call->in[2], wide, count, g.rows);
  IG_CHECK(outside < 0, IG_ERR_INPUT, "%s: index %.0f at position %lld is outside [-%lld, %lld)",
           call->node->name, ig_load_f64(indices->dtype, call->in[2], outside), (long long)outside,
           (long long)g.rows, (long long)g.rows);
  g.packed = call->state != NULL;
  ig_cpu_gather_narrow(&g, g.packed ? call->state : call->in[0], call->in[1], call->in[2], wide,
                       count, call->out[0]);
  return IG_OK;
}

/* Of the table, only the rows taken are read. */
static ig_cost cost(const ig_node *node) {
  double results = (double)ig_value_count(node->outputs[0]);
  return (ig_cost){results, 5 * results + (double)ig_value_bytes(node->inputs[2])};
}

static const ig_impl impls[] = {
    {.name = "rows", .prepare = prepare, .release = release, .run = run},
    {0},
};

const ig_op ig_op_gather_dequantized = {
    .name = "ingot.GatherDequantized",
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = fields,
    .attrs_size = sizeof(gather_dequantized_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
