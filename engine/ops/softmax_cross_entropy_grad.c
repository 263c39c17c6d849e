/* ingot.SoftmaxCrossEntropyGrad: the gradient of either class loss with respect to the scores, from
 * (dloss, scores, labels, weights or none, normalizer or none). Without a normalizer it is computed
 * again. The result may overwrite the scores. */
#include <string.h>

#include "engine/ops/cross_entropy.h"

enum { DLOSS, SCORES, LABELS, WEIGHTS, NORMALIZER };

static const ig_attr_field attrs[] = {
    IG_FIELD_STRING(ig_cross_entropy_attrs, reduction, "mean"),
    IG_FIELD_INT(ig_cross_entropy_attrs, ignore_index, IG_NO_IGNORE),
    IG_FIELD_FLOAT(ig_cross_entropy_attrs, label_smoothing, 0),
    {0},
};

static const ig_value *normalizer_of(const ig_node *node) {
  return node->n_inputs > NORMALIZER ? node->inputs[NORMALIZER] : NULL;
}

static ig_status infer(ig_node *node) {
  const ig_value *dloss = node->inputs[DLOSS], *scores = node->inputs[SCORES];
  ig_shape loss;
  IG_TRY(ig_cross_entropy_check(node, SCORES, &loss));
  IG_TRY(ig_require_float(node, DLOSS));
  IG_CHECK(ig_shape_equal(&dloss->shape, &loss), IG_ERR_SHAPE, "dloss must be %s, found %s",
           IG_SHAPE_STR(&loss), IG_SHAPE_STR(&dloss->shape));
  const ig_value *normalizer = normalizer_of(node);
  IG_CHECK(!normalizer || (normalizer->dtype == IG_F32 &&
                           ig_value_count(normalizer) == 2 * ig_value_count(node->inputs[LABELS])),
           IG_ERR_SHAPE, "the normalizer must be two f32 a row");
  return ig_infer_set(node, 0, scores->dtype, &scores->shape);
}

static int inplace(const ig_node *node, int output) {
  IG_UNUSED(node);
  return output == 0 ? SCORES : -1;
}

/* scale[row]: dloss times the label's weight, over the sum of weights for a mean. */
static void row_scales(const ig_call *call, const ig_class_loss *p, double *scale) {
  const char *reduction = IG_ATTRS_OF(ig_cross_entropy_attrs, call->node)->reduction;
  ig_dtype dtype = call->node->inputs[DLOSS]->dtype;
  int64_t rows = p->rows.outer * p->rows.inner;
  double weight = 0;
  for (int64_t row = 0; row < rows; row++) {
    int64_t label = (int64_t)ig_load_f64(p->label_dtype, p->labels, row);
    bool counts = label != p->ignore;
    scale[row] = !counts ? 0 : p->weights ? ig_load_f64(p->dtype, p->weights, label) : 1;
    weight += scale[row];
  }
  for (int64_t row = 0; row < rows; row++) {
    if (scale[row] == 0) continue; /* even where no row counts and the mean's divisor is 0 */
    scale[row] *= ig_load_f64(dtype, call->in[DLOSS], reduction[0] == 'n' ? row : 0);
    if (reduction[0] == 'm') scale[row] /= weight;
  }
}

static ig_status run_vector(const ig_call *call) {
  ig_class_loss p = ig_cross_entropy_of(call, SCORES);
  ig_cross_entropy_scratch s = ig_cross_entropy_scratch_of(call, p.rows.outer * p.rows.inner);
  IG_TRY(ig_cross_entropy_labels(&p));
  const ig_normalizer *normalizer = normalizer_of(call->node) ? call->in[NORMALIZER] : s.normalizer;
  if (normalizer == s.normalizer)
    ig_cpu_softmax_normalizer(p.dtype, &p.rows, p.scores, s.normalizer, NULL);
  row_scales(call, &p, s.factors);
  ig_cpu_class_loss_grad_vector(&p, normalizer, s.factors, call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  ig_class_loss p = ig_cross_entropy_of(call, SCORES);
  ig_cross_entropy_scratch s = ig_cross_entropy_scratch_of(call, p.rows.outer * p.rows.inner);
  IG_TRY(ig_cross_entropy_labels(&p));
  row_scales(call, &p, s.factors);
  ig_cpu_class_loss_grad_reference(&p, s.factors, call->out[0]);
  return IG_OK;
}

/* Difference, exponential, difference, product. */
static ig_cost cost(const ig_node *node) {
  ig_cost total = ig_cost_copy(node);
  total.flops = 4.0 * (double)ig_value_count(node->inputs[SCORES]);
  return total;
}

static const ig_impl impls[] = {
    {.name = "vector",
     .reject = ig_reject_cross_entropy_vector,
     .workspace = ig_cross_entropy_workspace,
     .run = run_vector},
    {.name = "reference", .workspace = ig_cross_entropy_workspace, .run = run_reference},
    {0},
};

const ig_op ig_op_softmax_cross_entropy_grad = {
    .name = "ingot.SoftmaxCrossEntropyGrad",
    .n_in = {3, 5},
    .n_out = {1, 1},
    .flags = IG_OP_INPLACE | IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_cross_entropy_attrs),
    .infer = infer,
    .cost = cost,
    .inplace = inplace,
    .impls = impls,
};
