/* The inference, cost and gradient helpers that most descriptors are made of. */
#include "engine/ops/op.h"

/* --- inference ------------------------------------------------------------------------------- */

ig_status ig_infer_set(ig_node *node, int i, ig_dtype dtype, const ig_shape *shape) {
  if (i >= node->n_outputs || !node->outputs[i]) return IG_OK;
  IG_TRY(ig_shape_check(shape, dtype));
  node->outputs[i]->dtype = dtype;
  node->outputs[i]->shape = *shape;
  return IG_OK;
}

ig_status ig_infer_same(ig_node *node) {
  for (int i = 0; i < node->n_outputs; i++) {
    IG_TRY(ig_infer_set(node, i, node->inputs[0]->dtype, &node->inputs[0]->shape));
  }
  return IG_OK;
}

ig_status ig_infer_broadcast(ig_node *node) {
  ig_shape shape = node->inputs[0]->shape;
  ig_dtype dtype = node->inputs[0]->dtype;
  for (int i = 1; i < node->n_inputs; i++) {
    const ig_value *input = node->inputs[i];
    if (!input) continue;
    IG_CHECK(input->dtype == dtype, IG_ERR_SHAPE, "input %d is %s where input 0 is %s", i,
             ig_dtype_name(input->dtype), ig_dtype_name(dtype));
    ig_shape joined;
    IG_CHECK(ig_shape_broadcast(&shape, &input->shape, &joined), IG_ERR_SHAPE,
             "input %d of shape %s does not broadcast with %s", i, IG_SHAPE_STR(&input->shape),
             IG_SHAPE_STR(&shape));
    shape = joined;
  }
  return ig_infer_set(node, 0, dtype, &shape);
}

ig_status ig_require_float(const ig_node *node, int i) {
  const ig_value *input = i < node->n_inputs ? node->inputs[i] : NULL;
  IG_CHECK(!input || ig_dtype_is_float(input->dtype), IG_ERR_SHAPE,
           "input %d must have a float type, found %s", i, ig_dtype_name(input->dtype));
  return IG_OK;
}

/* --- cost ------------------------------------------------------------------------------------ */

ig_cost ig_cost_copy(const ig_node *node) {
  ig_cost cost = {0};
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i]) cost.bytes += (double)ig_value_bytes(node->inputs[i]);
  }
  for (int i = 0; i < node->n_outputs; i++) {
    if (node->outputs[i]) cost.bytes += (double)ig_value_bytes(node->outputs[i]);
  }
  return cost;
}

ig_cost ig_cost_elementwise(const ig_node *node) {
  ig_cost cost = ig_cost_copy(node);
  cost.flops = (double)ig_value_count(node->outputs[0]);
  return cost;
}

/* --- gradients ------------------------------------------------------------------------------- */

ig_value *ig_grad_unbroadcast(ig_graph *graph, ig_value *grad, const ig_value *like) {
  if (!grad || !like || ig_shape_equal(&grad->shape, &like->shape)) return grad;
  int lead = grad->shape.rank - like->shape.rank, n = 0;
  bool only_leading = true;
  int64_t axes[IG_MAX_RANK];
  for (int i = 0; i < grad->shape.rank; i++) {
    bool summed = i < lead || like->shape.dims[i - lead] != grad->shape.dims[i];
    if (summed) axes[n++] = i;
    if (summed && i >= lead) only_leading = false;
  }
  if (n) {
    grad = ig_op1(graph, "ReduceSum", NULL, IG_INS(grad, ig_graph_const_i64s(graph, n, axes)),
                  IG_ATTRS(IG_INT("keepdims", !only_leading)));
  }
  if (!grad || ig_shape_equal(&grad->shape, &like->shape)) return grad;
  ig_value *shape = ig_graph_const_i64s(graph, like->shape.rank, like->shape.dims);
  return ig_op1(graph, "Reshape", NULL, IG_INS(grad, shape), IG_NO_ATTRS);
}

ig_value *ig_scalar_like(ig_graph *graph, const ig_value *like, double value) {
  if (!like) return NULL;
  uint64_t bytes = 0;
  ig_store_f64(like->dtype, &bytes, 0, value);
  return ig_graph_const(graph, NULL, like->dtype, IG_SCALAR, &bytes);
}

ig_value *ig_cast(ig_graph *graph, ig_value *value, ig_dtype dtype) {
  if (!value || value->dtype == dtype) return value;
  return ig_op1(graph, "Cast", NULL, IG_INS(value),
                IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(dtype))));
}

/* --- what implementations reject ------------------------------------------------------------- */

const char *ig_reject_not_f32(const ig_node *node) {
  for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    if (v && ig_dtype_is_float(v->dtype) && v->dtype != IG_F32) return "an operand is not f32";
  }
  return NULL;
}
