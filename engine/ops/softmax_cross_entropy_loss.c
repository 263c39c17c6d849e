/* SoftmaxCrossEntropyLoss: -log softmax(scores)[label], weighted, reduced; optionally the
 * log-probabilities as a second output. */
#include "engine/ops/cross_entropy.h"

static const ig_attr_field attrs[] = {
    IG_FIELD_STRING(ig_cross_entropy_attrs, reduction, "mean"),
    IG_FIELD_INT(ig_cross_entropy_attrs, ignore_index, IG_NO_IGNORE),
    {0},
};

static ig_status infer(ig_node *node) {
  ig_shape loss;
  IG_TRY(ig_cross_entropy_check(node, 0, &loss));
  IG_TRY(ig_infer_set(node, 0, node->inputs[0]->dtype, &loss));
  return ig_infer_set(node, 1, node->inputs[0]->dtype, &node->inputs[0]->shape);
}

static void grad(const ig_grad *g) {
  if (g->dy[0]) g->dx[0] = ig_cross_entropy_grad(g, NULL);
  if (g->node->n_outputs < 2 || !g->dy[1]) return;
  ig_value *through = ig_op1(g->graph, "ingot.LogSoftmaxGrad", NULL,
                             IG_INS(g->dy[1], g->node->outputs[1]), IG_ATTRS(IG_INT("axis", 1)));
  g->dx[0] =
      g->dx[0] ? ig_op1(g->graph, "Add", NULL, IG_INS(g->dx[0], through), IG_NO_ATTRS) : through;
}

static bool wants_log_prob(const ig_call *call) {
  return call->node->n_outputs > 1 && call->out[1];
}

static ig_status run_vector(const ig_call *call) {
  IG_TRY(ig_cross_entropy_vector(call, NULL));
  ig_class_loss p = ig_cross_entropy_of(call, 0);
  if (wants_log_prob(call)) ig_cpu_softmax_vector(true, p.dtype, &p.rows, p.scores, call->out[1]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  IG_TRY(ig_cross_entropy_reference(call));
  ig_class_loss p = ig_cross_entropy_of(call, 0);
  if (wants_log_prob(call))
    ig_cpu_softmax_reference(true, p.dtype, &p.rows, p.scores, call->out[1]);
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

const ig_op ig_op_softmax_cross_entropy_loss = {
    .name = "SoftmaxCrossEntropyLoss",
    .since = 13,
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
