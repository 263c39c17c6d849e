/* OneHot: along a new dimension `axis` of `depth` places, values[1] where the index says and values[0]
 * elsewhere. An index out of range is nowhere. */
#include "engine/ops/op.h"
#include "kernels/indexing.h"

typedef struct one_hot_attrs {
  int64_t axis;
} one_hot_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(one_hot_attrs, axis, -1),
    {0},
};

static bool is_number(ig_dtype dtype) {
  return ig_dtype_is_float(dtype) || ig_dtype_is_int(dtype);
}

/* Where the new dimension stands in the result. */
static int axis_of(const ig_node *node) {
  ig_shape out = {.rank = node->inputs[0]->shape.rank + 1};
  return ig_shape_axis(&out, IG_ATTRS_OF(one_hot_attrs, node)->axis);
}

static ig_status infer(ig_node *node) {
  const ig_value *indices = node->inputs[0], *depth = node->inputs[1], *values = node->inputs[2];
  IG_CHECK(is_number(indices->dtype) && is_number(depth->dtype), IG_ERR_SHAPE,
           "indices and depth must be numbers, found %s and %s", ig_dtype_name(indices->dtype),
           ig_dtype_name(depth->dtype));
  IG_CHECK(values->shape.rank == 1 && values->shape.dims[0] == 2, IG_ERR_SHAPE,
           "values must have shape [2], found %s", IG_SHAPE_STR(&values->shape));
  IG_CHECK(indices->shape.rank < IG_MAX_RANK, IG_ERR_SHAPE, "rank %d is beyond %d",
           indices->shape.rank + 1, IG_MAX_RANK);
  double places;
  IG_CHECK(ig_value_count(depth) == 1, IG_ERR_SHAPE, "depth must be one number, found shape %s",
           IG_SHAPE_STR(&depth->shape));
  IG_TRY(ig_value_const_scalar(depth, "depth", 0, &places));
  IG_CHECK(places >= 0 && places < 0x1p53, IG_ERR_SHAPE, "depth is %g", places);
  int axis = axis_of(node);
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld does not fit a result of rank %d",
           (long long)IG_ATTRS_OF(one_hot_attrs, node)->axis, indices->shape.rank + 1);
  ig_shape shape = {.rank = indices->shape.rank + 1};
  for (int d = 0; d < shape.rank; d++) {
    shape.dims[d] = d == axis ? (int64_t)places : indices->shape.dims[d < axis ? d : d - 1];
  }
  return ig_infer_set(node, 0, values->dtype, &shape);
}

/* values[1] gets the sum of dy where it stands, values[0] that of the rest. */
static void grad(const ig_grad *g) {
  if (!g->need[2]) return;
  ig_graph *graph = g->graph;
  ig_value *values = g->node->inputs[2], *dy = g->dy[0];
  uint64_t bytes[2] = {0};
  ig_store_f64(values->dtype, bytes, 1, 1);
  ig_value *flags = ig_graph_const(graph, NULL, values->dtype, IG_SHAPE(2), bytes);
  ig_value *hot =
      ig_op1(graph, "OneHot", NULL, IG_INS(g->node->inputs[0], g->node->inputs[1], flags),
             IG_ATTRS(IG_INT("axis", IG_ATTRS_OF(one_hot_attrs, g->node)->axis)));
  ig_value *part = ig_op1(graph, "Mul", NULL, IG_INS(dy, hot), IG_NO_ATTRS);
  ig_value *rest = ig_op1(graph, "Sub", NULL, IG_INS(dy, part), IG_NO_ATTRS);
  ig_value *sums[2] = {rest, part}, *one = ig_graph_const_i64s(graph, 1, (int64_t[]){1});
  for (int i = 0; i < 2; i++) {
    sums[i] = ig_op1(graph, "ReduceSum", NULL, IG_INS(sums[i]), IG_ATTRS(IG_INT("keepdims", 0)));
    sums[i] = ig_op1(graph, "Reshape", NULL, IG_INS(sums[i], one), IG_NO_ATTRS);
  }
  g->dx[2] = ig_op1(graph, "Concat", NULL, 2, sums, IG_ATTRS(IG_INT("axis", 0)));
}

static ig_status run(const ig_call *call) {
  const ig_value *indices = call->node->inputs[0], *y = call->node->outputs[0];
  int axis = axis_of(call->node);
  ig_cpu_one_hot(ig_dtype_size(y->dtype), ig_shape_span(&y->shape, 0, axis), y->shape.dims[axis],
                 ig_shape_span(&y->shape, axis + 1, y->shape.rank), indices->dtype, call->in[0],
                 call->in[2], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_one_hot = {
    .name = "OneHot",
    .since = 11,
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(one_hot_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_copy,
    .settings = 1 << 0 | 1 << 1,
    .impls = impls,
};
