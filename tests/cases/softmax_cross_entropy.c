/* Cases of ingot.SoftmaxCrossEntropy: those of both class losses, smoothing, and the normalizer. */
#include "loss_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  class_loss_reference(node, in, out);
  if (node->n_outputs < 2) return;
  int64_t classes = in[0].shape.dims[1];
  for (int64_t r = 0; r < in[0].shape.dims[0]; r++) {
    const double *x = in[0].data + r * classes;
    double most = -INFINITY;
    for (int64_t c = 0; c < classes; c++) most = fmax(most, x[c]);
    out[1].data[2 * r] = most;
    out[1].data[2 * r + 1] = x[0] - most - log_probability(&in[0], r, 0, 0);
  }
}

static const ig_op_case cases[] = {
    CLASS_LOSS_CASES,
    {.name = "normalizer", .inputs = {SCORES(7, 10), LABELS(IG_I64, 10, 7)}, .n_outputs = 2},
    {.name = "normalizer f64",
     .inputs = {SPREAD(IG_F64, -5, 5, 6, 4), LABELS(IG_I64, 4, 6)},
     .n_outputs = 2,
     .tolerance = 1e-6}, /* the normalizer is f32 */
    {.name = "smoothing",
     .inputs = {SCORES(7, 10), LABELS(IG_I64, 10, 7)},
     .n_outputs = 2,
     .n_attrs = 1,
     .attrs = {SMOOTHING}},
    {.name = "smoothing, ignored",
     .inputs = {SCORES(19, 4), LABELS_OR_MINUS_ONE(4, 19)},
     .n_outputs = 2,
     .n_attrs = 2,
     .attrs = {SMOOTHING, IGNORE(-1)}},
    {.name = "smoothing, weights, sum",
     .inputs = {SCORES(19, 4), LABELS(IG_I64, 4, 19), CLASS_WEIGHTS(4)},
     .n_attrs = 2,
     .attrs = {SMOOTHING, REDUCTION("sum")}},
    {.name = "smoothing, pixels",
     .inputs = {SCORES(2, 5, 7), LABELS(IG_I64, 5, 2, 7)},
     .n_attrs = 1,
     .attrs = {SMOOTHING}},
    {.name = "smoothing f64",
     .inputs = {SPREAD(IG_F64, -5, 5, 6, 4), LABELS(IG_I64, 4, 6)},
     .n_attrs = 1,
     .attrs = {SMOOTHING}},
};

const ig_op_cases ig_cases_softmax_cross_entropy = {.op = "ingot.SoftmaxCrossEntropy",
                                                    .reference = reference,
                                                    .n_cases = IG_COUNT(cases),
                                                    .cases = cases};
