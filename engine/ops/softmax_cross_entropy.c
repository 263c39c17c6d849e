/* ingot.SoftmaxCrossEntropy: what training uses. As ONNX's SoftmaxCrossEntropyLoss, with label
 * smoothing (Szegedy et al., "Rethinking the Inception Architecture", 2016, section 7), the loss in
 * f32 whatever the scores are (f64 for f64), and as a second output each row's normalizer
 * [rows, 2] (kernels/softmax.h), from which the gradient needs one pass over the scores and may
 * overwrite them: neither probabilities nor their logarithms are ever in memory. */
#include "engine/ops/cross_entropy.h"

static const ig_attr_field attrs[] = {
    IG_FIELD_STRING(ig_cross_entropy_attrs, reduction, "mean"),
    IG_FIELD_INT(ig_cross_entropy_attrs, ignore_index, -100),
    IG_FIELD_FLOAT(ig_cross_entropy_attrs, label_smoothing, 0),
    {0},
};

static ig_status infer(ig_node *node) {
  ig_shape loss;
  IG_TRY(ig_cross_entropy_check(node, 0, &loss));
  ig_dtype dtype = node->inputs[0]->dtype == IG_F64 ? IG_F64 : IG_F32;
  IG_TRY(ig_infer_set(node, 0, dtype, &loss));
  ig_shape normalizer = IG_SHAPE(ig_value_count(node->inputs[1]), 2);
  return ig_infer_set(node, 1, IG_F32, &normalizer);
}

static void grad(const ig_grad *g) {
  if (!g->dy[0]) return;
  g->dx[0] = ig_cross_entropy_grad(g, g->node->n_outputs > 1 ? g->node->outputs[1] : NULL);
}

static ig_status run_vector(const ig_call *call) {
  return ig_cross_entropy_vector(call, call->node->n_outputs > 1 ? call->out[1] : NULL);
}

static ig_status run_reference(const ig_call *call) {
  IG_TRY(ig_cross_entropy_reference(call));
  if (call->node->n_outputs < 2) return IG_OK;
  ig_class_loss p = ig_cross_entropy_of(call, 0);
  ig_cpu_softmax_normalizer(p.dtype, &p.rows, p.scores, call->out[1], NULL);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "vector",
     .reject = ig_reject_cross_entropy_vector,
     .workspace = ig_cross_entropy_workspace,
     .run = run_vector},
    {.name = "reference", .workspace = ig_cross_entropy_workspace, .run = run_reference},
    {0},
};

const ig_op ig_op_softmax_cross_entropy = {
    .name = "ingot.SoftmaxCrossEntropy",
    .n_in = {2, 3},
    .n_out = {1, 2},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_cross_entropy_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cross_entropy_cost,
    .impls = impls,
};
