/* Shapes and execution of the losses of (prediction, target) pairs. */
#include "engine/ops/pair_loss.h"

ig_status ig_pair_loss_infer(ig_node *node) {
  const ig_value *x = node->inputs[0], *t = node->inputs[1];
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->dtype == t->dtype && ig_shape_equal(&x->shape, &t->shape), IG_ERR_SHAPE,
           "targets are %s%s where predictions are %s%s", ig_dtype_name(t->dtype),
           IG_SHAPE_STR(&t->shape), ig_dtype_name(x->dtype), IG_SHAPE_STR(&x->shape));
  return ig_infer_set(node, 0, x->dtype == IG_F64 ? IG_F64 : IG_F32, &IG_SCALAR);
}

/* Three flops a pair. */
ig_cost ig_pair_loss_cost(const ig_node *node) {
  ig_cost cost = ig_cost_copy(node);
  cost.flops = 3.0 * (double)ig_value_count(node->inputs[0]);
  return cost;
}

size_t ig_pair_loss_workspace(const ig_node *node) {
  return ig_cpu_pair_loss_workspace(ig_value_count(node->inputs[0]));
}

const char *ig_reject_pair_loss_vector(const ig_node *node) {
  return node->inputs[0]->dtype == IG_F64 ? "the dtype is f64" : NULL;
}

ig_status ig_pair_loss_vector(const ig_call *call, ig_pair_loss kind) {
  const ig_value *x = call->node->inputs[0];
  *(float *)call->out[0] = ig_cpu_pair_loss_vector(kind, x->dtype, call->in[0], call->in[1],
                                                   ig_value_count(x), call->workspace);
  return IG_OK;
}

ig_status ig_pair_loss_reference(const ig_call *call, ig_pair_loss kind) {
  const ig_value *x = call->node->inputs[0];
  double mean =
      ig_cpu_pair_loss_reference(kind, x->dtype, call->in[0], call->in[1], ig_value_count(x));
  ig_store_f64(call->node->outputs[0]->dtype, call->out[0], 0, mean);
  return IG_OK;
}

ig_value *ig_pair_loss_scale(const ig_grad *g, double factor) {
  const ig_value *x = g->node->inputs[0];
  double n = (double)IG_MAX(1, ig_value_count(x));
  ig_value *scale =
      ig_op1(g->graph, "Mul", NULL,
             IG_INS(g->dy[0], ig_scalar_like(g->graph, g->dy[0], factor / n)), IG_NO_ATTRS);
  return ig_cast(g->graph, scale, x->dtype);
}
