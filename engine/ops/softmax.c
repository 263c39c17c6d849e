/* Softmax along an axis: e^x / sum e^x, and what LogSoftmax and the gradients share with it. */
#include "engine/ops/softmax.h"

const ig_attr_field ig_axis_last_fields[] = {IG_FIELD_INT(ig_axis_attrs, axis, -1), {0}};

ig_rows ig_rows_around(const ig_value *value, int64_t axis) {
  const ig_shape *shape = &value->shape;
  int a = ig_shape_axis(shape, axis);
  return (ig_rows){.outer = ig_shape_span(shape, 0, a),
                   .n = shape->dims[a],
                   .inner = ig_shape_span(shape, a + 1, shape->rank)};
}

ig_status ig_softmax_infer(ig_node *node) {
  const ig_shape *shape = &node->inputs[0]->shape;
  int64_t axis = IG_ATTRS_OF(ig_axis_attrs, node)->axis;
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(ig_shape_axis(shape, axis) >= 0, IG_ERR_SHAPE, "axis %lld is outside shape %s",
           (long long)axis, IG_SHAPE_STR(shape));
  return ig_infer_same(node);
}

ig_status ig_softmax_grad_infer(ig_node *node) {
  const ig_value *dy = node->inputs[0], *y = node->inputs[1];
  IG_CHECK(dy->dtype == y->dtype && ig_shape_equal(&dy->shape, &y->shape), IG_ERR_SHAPE,
           "dy is %s%s where y is %s%s", ig_dtype_name(dy->dtype), IG_SHAPE_STR(&dy->shape),
           ig_dtype_name(y->dtype), IG_SHAPE_STR(&y->shape));
  return ig_softmax_infer(node);
}

ig_cost ig_softmax_cost(const ig_node *node) {
  ig_cost cost = ig_cost_copy(node);
  cost.flops = 5.0 * (double)ig_value_count(node->outputs[0]);
  return cost;
}

void ig_softmax_grad(const ig_grad *g, const char *op) {
  int64_t axis = IG_ATTRS_OF(ig_axis_attrs, g->node)->axis;
  g->dx[0] = ig_op1(g->graph, op, NULL, IG_INS(g->dy[0], g->node->outputs[0]),
                    IG_ATTRS(IG_INT("axis", axis)));
}

const char *ig_reject_softmax_vector(const ig_node *node) {
  ig_dtype dtype = node->inputs[0]->dtype;
  return dtype == IG_F64 ? "the dtype is f64" : NULL;
}

static ig_rows rows_of(const ig_call *call) {
  return ig_rows_around(call->node->inputs[0], IG_ATTRS_OF(ig_axis_attrs, call->node)->axis);
}

ig_status ig_softmax_vector(const ig_call *call, bool log) {
  ig_rows rows = rows_of(call);
  ig_cpu_softmax_vector(log, call->node->inputs[0]->dtype, &rows, call->in[0], call->out[0]);
  return IG_OK;
}

ig_status ig_softmax_reference(const ig_call *call, bool log) {
  ig_rows rows = rows_of(call);
  ig_cpu_softmax_reference(log, call->node->inputs[0]->dtype, &rows, call->in[0], call->out[0]);
  return IG_OK;
}

ig_status ig_softmax_grad_vector(const ig_call *call, bool log) {
  ig_rows rows = rows_of(call);
  ig_cpu_softmax_grad_vector(log, call->node->inputs[0]->dtype, &rows, call->in[0], call->in[1],
                             call->out[0]);
  return IG_OK;
}

ig_status ig_softmax_grad_reference(const ig_call *call, bool log) {
  ig_rows rows = rows_of(call);
  ig_cpu_softmax_grad_reference(log, call->node->inputs[0]->dtype, &rows, call->in[0], call->in[1],
                                call->out[0]);
  return IG_OK;
}

IG_SOFTMAX_IMPLS(ig_softmax_vector, ig_softmax_reference, false)

static void grad(const ig_grad *g) {
  ig_softmax_grad(g, "ingot.SoftmaxGrad");
}

const ig_op ig_op_softmax = {
    .name = "Softmax",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_INPLACE | IG_OP_PURE,
    .attrs = ig_axis_last_fields,
    .attrs_size = sizeof(ig_axis_attrs),
    .infer = ig_softmax_infer,
    .grad = grad,
    .cost = ig_softmax_cost,
    .impls = impls,
};
