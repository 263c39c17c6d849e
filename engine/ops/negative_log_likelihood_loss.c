/* NegativeLogLikelihoodLoss: -weight[label] x[label] from log-probabilities x [N, C, ...], reduced. */
#include "engine/ops/negative_log_likelihood_loss.h"

const ig_attr_field ig_nll_fields[] = {
    IG_FIELD_STRING(ig_cross_entropy_attrs, reduction, "mean"),
    IG_FIELD_INT(ig_cross_entropy_attrs, ignore_index, IG_NO_IGNORE),
    {0},
};

const ig_twin ig_nll_twin = {
    .op = "ingot.NegativeLogLikelihoodLossGrad", .n_in = 3, .n_out = 1, .wrt = 1};

ig_status ig_nll_label_of(const ig_node *node, const ig_doubles *d, int64_t i, ig_nll_label *out) {
  const ig_shape *x = &node->inputs[0]->shape;
  int64_t ignore = IG_ATTRS_OF(ig_cross_entropy_attrs, node)->ignore_index;
  int64_t classes = x->dims[1], inner = ig_shape_span(x, 2, x->rank);
  int64_t label = (int64_t)d->in[1][i];
  *out = (ig_nll_label){0, 0};
  if (label == ignore) return IG_OK;
  IG_CHECK(label >= 0 && label < classes, IG_ERR_INPUT,
           "label %lld at position %lld is outside 0 to %lld", (long long)label, (long long)i,
           (long long)classes - 1);
  out->offset = (i / inner * classes + label) * inner + i % inner;
  out->weight = d->in[2] ? d->in[2][label] : 1;
  return IG_OK;
}

ig_status ig_nll_divisor(const ig_node *node, const ig_doubles *d, double *out) {
  bool mean = IG_ATTRS_OF(ig_cross_entropy_attrs, node)->reduction[0] == 'm';
  *out = mean ? 0 : 1;
  for (int64_t i = 0; mean && i < ig_value_count(node->inputs[1]); i++) {
    ig_nll_label label;
    IG_TRY(ig_nll_label_of(node, d, i, &label));
    *out += label.weight;
  }
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  ig_shape loss;
  IG_TRY(ig_cross_entropy_check(node, 0, &loss));
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &loss);
}

static void grad(const ig_grad *g) {
  ig_twin_grad(&ig_nll_twin, g);
}

static ig_status work(const ig_node *node, const ig_doubles *d) {
  bool each = IG_ATTRS_OF(ig_cross_entropy_attrs, node)->reduction[0] == 'n';
  double divisor, sum = 0;
  IG_TRY(ig_nll_divisor(node, d, &divisor));
  for (int64_t i = 0; i < ig_value_count(node->inputs[1]); i++) {
    ig_nll_label label;
    IG_TRY(ig_nll_label_of(node, d, i, &label));
    double loss = label.weight == 0 ? 0 : -label.weight * d->in[0][label.offset];
    if (each) d->out[0][i] = loss;
    sum += loss;
  }
  if (!each) d->out[0][0] = sum / divisor;
  return IG_OK;
}

IG_DOUBLES_IMPLS(work)

const ig_op ig_op_negative_log_likelihood_loss = {
    .name = "NegativeLogLikelihoodLoss",
    .since = 13,
    .n_in = {2, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_nll_fields,
    .attrs_size = sizeof(ig_cross_entropy_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
