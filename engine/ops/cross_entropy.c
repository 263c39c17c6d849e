/* Shapes, parameters and the final sum of the class losses. */
#include "engine/ops/cross_entropy.h"

#include <string.h>

static const ig_value *input_of(const ig_node *node, int i) {
  return i < node->n_inputs ? node->inputs[i] : NULL;
}

static ig_status check_attrs(const ig_node *node) {
  const ig_cross_entropy_attrs *a = IG_ATTRS_OF(ig_cross_entropy_attrs, node);
  IG_CHECK(strcmp(a->reduction, "mean") == 0 || strcmp(a->reduction, "sum") == 0 ||
               strcmp(a->reduction, "none") == 0,
           IG_ERR_USAGE, "attribute reduction is '%s', expected none, sum or mean", a->reduction);
  IG_CHECK(a->label_smoothing >= 0 && a->label_smoothing < 1, IG_ERR_USAGE,
           "attribute label_smoothing is %g, expected at least 0 and below 1",
           (double)a->label_smoothing);
  return IG_OK;
}

ig_status ig_cross_entropy_check(const ig_node *node, int at, ig_shape *loss) {
  const ig_value *scores = node->inputs[at], *labels = node->inputs[at + 1];
  const ig_value *weights = input_of(node, at + 2);
  IG_TRY(check_attrs(node));
  IG_TRY(ig_require_float(node, at));
  IG_CHECK(scores->shape.rank >= 2 && scores->shape.dims[1] >= 1, IG_ERR_SHAPE,
           "scores must be [batch, classes, ...], found %s", IG_SHAPE_STR(&scores->shape));
  ig_shape expected = {.rank = scores->shape.rank - 1, .dims = {scores->shape.dims[0]}};
  for (int d = 1; d < expected.rank; d++) expected.dims[d] = scores->shape.dims[d + 1];
  IG_CHECK((labels->dtype == IG_I64 || labels->dtype == IG_I32) &&
               ig_shape_equal(&labels->shape, &expected),
           IG_ERR_SHAPE, "labels must be i64 or i32 of shape %s, found %s%s",
           IG_SHAPE_STR(&expected), ig_dtype_name(labels->dtype), IG_SHAPE_STR(&labels->shape));
  IG_CHECK(!weights || (weights->dtype == scores->dtype && weights->shape.rank == 1 &&
                        weights->shape.dims[0] == scores->shape.dims[1]),
           IG_ERR_SHAPE, "weights must be one %s a class, found %s%s", ig_dtype_name(scores->dtype),
           weights ? ig_dtype_name(weights->dtype) : "",
           IG_SHAPE_STR(weights ? &weights->shape : &expected));
  bool each = strcmp(IG_ATTRS_OF(ig_cross_entropy_attrs, node)->reduction, "none") == 0;
  *loss = each ? expected : IG_SCALAR;
  return IG_OK;
}

static ig_rows rows_of(const ig_value *scores) {
  return (ig_rows){.outer = scores->shape.dims[0],
                   .n = scores->shape.dims[1],
                   .inner = ig_shape_span(&scores->shape, 2, scores->shape.rank)};
}

ig_class_loss ig_cross_entropy_of(const ig_call *call, int at) {
  const ig_node *node = call->node;
  const ig_cross_entropy_attrs *a = IG_ATTRS_OF(ig_cross_entropy_attrs, node);
  return (ig_class_loss){.dtype = node->inputs[at]->dtype,
                         .rows = rows_of(node->inputs[at]),
                         .scores = call->in[at],
                         .label_dtype = node->inputs[at + 1]->dtype,
                         .labels = call->in[at + 1],
                         .ignore = a->ignore_index,
                         .weights = input_of(node, at + 2) ? call->in[at + 2] : NULL,
                         .smoothing = (double)a->label_smoothing};
}

ig_status ig_cross_entropy_labels(const ig_class_loss *p) {
  int64_t row = ig_cpu_bad_label(p);
  if (row < 0) return IG_OK;
  int64_t label = p->label_dtype == IG_I64 ? ((const int64_t *)p->labels)[row]
                                           : ((const int32_t *)p->labels)[row];
  return ig_fail(IG_ERR_INPUT, "label %lld at position %lld is outside 0 to %lld", (long long)label,
                 (long long)row, (long long)p->rows.n - 1);
}

/* --- scratch --------------------------------------------------------------------------------- */

/* Labels are the last operand that all three operators have in common. */
static int64_t row_count(const ig_node *node) {
  int labels = strcmp(node->op->name, "ingot.SoftmaxCrossEntropyGrad") == 0 ? 2 : 1;
  return ig_value_count(node->inputs[labels]);
}

size_t ig_cross_entropy_workspace(const ig_node *node) {
  size_t row = 2 * sizeof(double) + sizeof(ig_normalizer) + sizeof(float);
  return (size_t)row_count(node) * row;
}

ig_cross_entropy_scratch ig_cross_entropy_scratch_of(const ig_call *call, int64_t rows) {
  ig_cross_entropy_scratch s = {.losses = call->workspace};
  s.factors = s.losses + rows;
  s.normalizer = (ig_normalizer *)(s.factors + rows);
  s.sums = (float *)(s.normalizer + rows);
  return s;
}

/* --- execution ------------------------------------------------------------------------------- */

/* Rows in order, so that the result is the same on any number of threads. With no label that counts
 * the mean is 0 / 0, as in ONNX. */
static void store_loss(const ig_call *call, const double *losses, const double *factors,
                       int64_t rows) {
  const ig_value *loss = call->node->outputs[0];
  const char *reduction = IG_ATTRS_OF(ig_cross_entropy_attrs, call->node)->reduction;
  double total = 0, weight = 0;
  for (int64_t row = 0; row < rows; row++) {
    total += losses[row];
    weight += factors[row];
    if (reduction[0] == 'n') ig_store_f64(loss->dtype, call->out[0], row, losses[row]);
  }
  if (reduction[0] == 's') ig_store_f64(loss->dtype, call->out[0], 0, total);
  if (reduction[0] == 'm') ig_store_f64(loss->dtype, call->out[0], 0, total / weight);
}

ig_status ig_cross_entropy_vector(const ig_call *call, ig_normalizer *normalizer) {
  ig_class_loss p = ig_cross_entropy_of(call, 0);
  int64_t rows = p.rows.outer * p.rows.inner;
  ig_cross_entropy_scratch s = ig_cross_entropy_scratch_of(call, rows);
  float *sums = p.smoothing > 0 ? s.sums : NULL;
  if (!normalizer) normalizer = s.normalizer;
  IG_TRY(ig_cross_entropy_labels(&p));
  ig_cpu_softmax_normalizer(p.dtype, &p.rows, p.scores, normalizer, sums);
  ig_cpu_class_losses_vector(&p, normalizer, sums, s.losses, s.factors);
  store_loss(call, s.losses, s.factors, rows);
  return IG_OK;
}

ig_status ig_cross_entropy_reference(const ig_call *call) {
  ig_class_loss p = ig_cross_entropy_of(call, 0);
  int64_t rows = p.rows.outer * p.rows.inner;
  ig_cross_entropy_scratch s = ig_cross_entropy_scratch_of(call, rows);
  IG_TRY(ig_cross_entropy_labels(&p));
  ig_cpu_class_losses_reference(&p, s.losses, s.factors);
  store_loss(call, s.losses, s.factors, rows);
  return IG_OK;
}

const char *ig_reject_cross_entropy_vector(const ig_node *node) {
  for (int i = 0; i < 2; i++) { /* the scores are input 0 or 1 */
    if (node->inputs[i]->dtype == IG_F64) return "the dtype is f64";
  }
  return NULL;
}

/* Maximum, difference, exponential, sum; the loss itself is one in C of it. */
ig_cost ig_cross_entropy_cost(const ig_node *node) {
  ig_cost cost = ig_cost_copy(node);
  cost.flops = 4.0 * (double)ig_value_count(node->inputs[0]);
  return cost;
}

ig_value *ig_cross_entropy_grad(const ig_grad *g, ig_value *normalizer) {
  const ig_cross_entropy_attrs *a = IG_ATTRS_OF(ig_cross_entropy_attrs, g->node);
  ig_value *weights = g->node->n_inputs > 2 ? g->node->inputs[2] : NULL;
  return ig_op1(g->graph, "ingot.SoftmaxCrossEntropyGrad", NULL,
                IG_INS(g->dy[0], g->node->inputs[0], g->node->inputs[1], weights, normalizer),
                IG_ATTRS(IG_STRING("reduction", a->reduction),
                         IG_INT("ignore_index", a->ignore_index),
                         IG_FLOAT("label_smoothing", a->label_smoothing)));
}
