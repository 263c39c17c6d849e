/* ingot.NegativeLogLikelihoodLossGrad: -weight of each label, times the loss's gradient. */
#include "engine/ops/negative_log_likelihood_loss.h"

static ig_status infer(ig_node *node) {
  ig_shape loss;
  IG_TRY(ig_cross_entropy_check(node, 0, &loss));
  return ig_twin_infer(&ig_nll_twin, node, &loss);
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  bool each = IG_ATTRS_OF(ig_cross_entropy_attrs, node)->reduction[0] == 'n';
  double divisor;
  IG_TRY(ig_nll_divisor(node, d, &divisor));
  for (int64_t i = 0; i < ig_value_count(node->inputs[1]); i++) {
    ig_nll_label label;
    IG_TRY(ig_nll_label_of(node, d, i, &label));
    if (label.weight != 0) {
      d->out[0][label.offset] = -label.weight * d->in[3][each ? i : 0] / divisor;
    }
  }
  return IG_OK;
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_negative_log_likelihood_loss_grad = {
    .name = "ingot.NegativeLogLikelihoodLossGrad",
    .n_in = {2, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_nll_fields,
    .attrs_size = sizeof(ig_cross_entropy_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
