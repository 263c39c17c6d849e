/* Steps of optimizers over lists of tensors. */
#include "engine/ops/training_step.h"

#define MOST 4

ig_status ig_training_infer(ig_node *node, int n) {
  int tensors = (node->n_inputs - 2) / (n + 1);
  IG_CHECK(tensors >= 1 && node->n_inputs == 2 + tensors * (n + 1) && node->n_outputs == tensors * n,
           IG_ERR_USAGE, "%d inputs and %d outputs are not those of whole parameters",
           node->n_inputs, node->n_outputs);
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(ig_value_count(node->inputs[0]) == 1 && ig_value_count(node->inputs[1]) == 1 &&
               node->inputs[1]->dtype == IG_I64,
           IG_ERR_SHAPE, "rate and count of steps must be one number each");
  for (int i = 2; i < node->n_inputs; i++) {
    const ig_value *first = node->inputs[2 + (i - 2) % tensors], *v = node->inputs[i];
    IG_CHECK(v && first, IG_ERR_USAGE, "input %d is missing", i);
    IG_TRY(ig_require_float(node, i));
    IG_CHECK(v->dtype == first->dtype && ig_shape_equal(&v->shape, &first->shape), IG_ERR_SHAPE,
             "input %d is %s%s where its parameter is %s%s", i, ig_dtype_name(v->dtype),
             IG_SHAPE_STR(&v->shape), ig_dtype_name(first->dtype), IG_SHAPE_STR(&first->shape));
  }
  for (int i = 0; i < node->n_outputs; i++) {
    const ig_value *like = node->inputs[2 + i % tensors];
    IG_TRY(ig_infer_set(node, i, like->dtype, &like->shape));
  }
  return IG_OK;
}

ig_status ig_training_run(const ig_call *call, int n, ig_training_step *step) {
  const ig_node *node = call->node;
  int tensors = (node->n_inputs - 2) / (n + 1);
  double rate = ig_load_f64(node->inputs[0]->dtype, call->in[0], 0);
  double count = ig_load_f64(IG_I64, call->in[1], 0);
  for (int q = 0; q < tensors; q++) {
    ig_dtype dtype = node->inputs[2 + q]->dtype;
    for (int64_t e = 0; e < ig_value_count(node->inputs[2 + q]); e++) {
      double in[MOST + 1], out[MOST];
      for (int i = 0; i <= n; i++) in[i] = ig_load_f64(dtype, call->in[2 + i * tensors + q], e);
      step(IG_ATTRS_OF(ig_training_attrs, node), rate, count, in, out);
      for (int i = 0; i < n; i++) ig_store_f64(dtype, call->out[i * tensors + q], e, out[i]);
    }
  }
  return IG_OK;
}

/* About ten flops an element. */
ig_cost ig_training_cost(const ig_node *node) {
  double elements = 0;
  for (int i = 0; i < node->n_outputs; i++) elements += (double)ig_value_count(node->outputs[i]);
  return (ig_cost){10 * elements, ig_cost_copy(node).bytes};
}
