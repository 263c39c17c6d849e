/* Losses on a GPU. Labels are in its memory: one that is no class is not refused as on the CPU, but
 * makes the loss NaN. */
#include "engine/ops/cross_entropy.h"
#include "engine/ops/pair_loss.h"

enum { DLOSS, SCORES, LABELS, NORMALIZER = 4 };

static const char *reject(const ig_node *node) {
  for (int i = 0; i < 2; i++) { /* the scores are input 0 or 1 */
    if (node->inputs[i]->dtype == IG_F64) return "the dtype is f64";
  }
  return NULL;
}

static ig_class_reduction reduction_of(const ig_node *node) {
  char first = IG_ATTRS_OF(ig_cross_entropy_attrs, node)->reduction[0];
  return first == 'm' ? IG_CLASS_MEAN : first == 's' ? IG_CLASS_SUM : IG_CLASS_EACH;
}

static size_t workspace(const ig_node *node) {
  return ig_cuda_class_loss_workspace(ig_value_count(node->inputs[1]));
}

static ig_status class_loss(const ig_call *call, ig_normalizer *normalizer) {
  ig_class_loss loss = ig_cross_entropy_of(call, 0);
  return ig_cuda_class_loss(&loss, reduction_of(call->node), normalizer,
                            call->node->outputs[0]->dtype, call->out[0], call->workspace,
                            call->stream);
}

static ig_status run_cross_entropy(const ig_call *call) {
  return class_loss(call, call->node->n_outputs > 1 ? call->out[1] : NULL);
}

/* ONNX's second output is the logarithm of the probabilities. */
static ig_status run_onnx_loss(const ig_call *call) {
  IG_TRY(class_loss(call, NULL));
  if (call->node->n_outputs < 2 || !call->out[1]) return IG_OK;
  ig_class_loss loss = ig_cross_entropy_of(call, 0);
  return ig_cuda_softmax(true, loss.dtype, &loss.rows, loss.scores, call->out[1], call->stream);
}

static size_t grad_workspace(const ig_node *node) {
  return ig_cuda_class_loss_workspace(ig_value_count(node->inputs[LABELS]));
}

static ig_status run_grad(const ig_call *call) {
  const ig_node *node = call->node;
  ig_class_loss loss = ig_cross_entropy_of(call, SCORES);
  const void *normalizer = node->n_inputs > NORMALIZER ? call->in[NORMALIZER] : NULL;
  return ig_cuda_class_loss_grad(&loss, reduction_of(node), normalizer, node->inputs[DLOSS]->dtype,
                                 call->in[DLOSS], call->out[0], call->workspace, call->stream);
}

/* --- pairs --------------------------------------------------------------------------------------- */

static size_t pair_workspace(const ig_node *node) {
  return ig_cuda_pair_loss_workspace(ig_value_count(node->inputs[0]));
}

static ig_status pair_loss(const ig_call *call, ig_pair_loss kind) {
  const ig_value *x = call->node->inputs[0];
  return ig_cuda_pair_loss(kind, x->dtype, call->in[0], call->in[1], ig_value_count(x),
                           call->out[0], call->workspace, call->stream);
}

static ig_status run_sigmoid(const ig_call *call) {
  return pair_loss(call, IG_LOSS_SIGMOID_CROSS_ENTROPY);
}

static ig_status run_squared_error(const ig_call *call) {
  return pair_loss(call, IG_LOSS_SQUARED_ERROR);
}

#define IMPLS(stem, what, room)                                                                    \
  static const ig_impl stem##_impls[] = {                                                          \
      {.name = (what), .device = IG_CUDA, .reject = reject, .workspace = room, .run = run_##stem}, \
      {0}};

IMPLS(cross_entropy, "rows", workspace)
IMPLS(onnx_loss, "rows", workspace)
IMPLS(grad, "rows", grad_workspace)
IMPLS(sigmoid, "two stages", pair_workspace)
IMPLS(squared_error, "two stages", pair_workspace)

static const struct ig_op_impls ops[] = {{"ingot.SoftmaxCrossEntropy", cross_entropy_impls},
                                         {"SoftmaxCrossEntropyLoss", onnx_loss_impls},
                                         {"ingot.SoftmaxCrossEntropyGrad", grad_impls},
                                         {"ingot.SigmoidCrossEntropy", sigmoid_impls},
                                         {"ingot.MeanSquaredError", squared_error_impls},
                                         {0}};

const ig_device_ops ig_cuda_ops_loss = {.ops = ops};
