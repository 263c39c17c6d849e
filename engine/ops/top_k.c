/* TopK: the k greatest (or least) elements along an axis, best first, and where they stand. With
 * sorted = 0 ONNX leaves the order open; it is the same here. */
#include "engine/ops/softmax.h"
#include "kernels/order.h"

typedef struct top_k_attrs {
  int64_t axis, largest, sorted;
} top_k_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(top_k_attrs, axis, -1),
    IG_FIELD_INT(top_k_attrs, largest, 1),
    IG_FIELD_INT(top_k_attrs, sorted, 1),
    {0},
};

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t given = IG_ATTRS_OF(top_k_attrs, node)->axis, k;
  int axis = ig_shape_axis(&x->shape, given), n;
  IG_CHECK(ig_dtype_is_float(x->dtype) || ig_dtype_is_int(x->dtype), IG_ERR_SHAPE,
           "input 0 must be numbers, found %s", ig_dtype_name(x->dtype));
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld is outside shape %s", (long long)given,
           IG_SHAPE_STR(&x->shape));
  IG_TRY(ig_value_const_ints(node->inputs[1], "K", 1, &k, &n));
  IG_CHECK(n == 1 && k >= 0 && k <= x->shape.dims[axis], IG_ERR_SHAPE,
           "K is %lld, expected 0 to %lld", n ? (long long)k : 0LL, (long long)x->shape.dims[axis]);
  ig_shape shape = x->shape;
  shape.dims[axis] = k;
  IG_TRY(ig_infer_set(node, 0, x->dtype, &shape));
  return ig_infer_set(node, 1, IG_I64, &shape);
}

static void grad(const ig_grad *g) {
  if (!g->dy[0]) return;
  const ig_value *x = g->node->inputs[0];
  int axis = ig_shape_axis(&x->shape, IG_ATTRS_OF(top_k_attrs, g->node)->axis);
  g->dx[0] = ig_op1(g->graph, "ingot.TopKGrad", NULL, IG_INS(g->dy[0], g->node->outputs[1]),
                    IG_ATTRS(IG_INT("axis", axis), IG_INT("size", x->shape.dims[axis])));
}

static int64_t k_of(const ig_node *node) {
  const ig_shape *shape = &node->outputs[0]->shape;
  return shape->dims[ig_shape_axis(shape, IG_ATTRS_OF(top_k_attrs, node)->axis)];
}

static ig_cost cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  total.flops = (double)ig_value_count(node->inputs[0]);
  return total;
}

static size_t workspace(const ig_node *node) {
  return ig_cpu_top_k_workspace(k_of(node));
}

static ig_status run(const ig_call *call) {
  const top_k_attrs *a = IG_ATTRS_OF(top_k_attrs, call->node);
  const ig_value *x = call->node->inputs[0];
  ig_rows rows = ig_rows_around(x, a->axis);
  ig_cpu_top_k(x->dtype, &rows, call->in[0], k_of(call->node), !a->largest, call->out[0],
               call->out[1], call->workspace);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "cpu", .workspace = workspace, .run = run}, {0}};

const ig_op ig_op_top_k = {
    .name = "TopK",
    .since = 11,
    .n_in = {2, 2},
    .n_out = {2, 2},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(top_k_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
