/* Cases of SoftmaxCrossEntropyLoss: those of both class losses, and the log-probabilities. */
#include "loss_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  class_loss_reference(node, in, out);
  if (node->n_outputs < 2) return;
  int64_t classes = in[0].shape.dims[1];
  int64_t area = ig_shape_span(&in[0].shape, 2, in[0].shape.rank);
  for (int64_t i = 0; i < ig_shape_count(&in[0].shape); i++)
    out[1].data[i] = log_probability(&in[0], i / area / classes, i / area % classes, i % area);
}

static const ig_op_case cases[] = {
    CLASS_LOSS_CASES,
    {.name = "log_prob",
     .inputs = {SCORES(3, 5), LABELS(IG_I64, 5, 3)},
     .n_outputs = 2,
     .grad_outputs = 3},
    {.name = "log_prob alone",
     .inputs = {SCORES(2, 4, 3), LABELS(IG_I64, 4, 2, 3)},
     .n_outputs = 2,
     .grad_outputs = 2},
    {.name = "log_prob f64",
     .inputs = {SPREAD(IG_F64, -5, 5, 2, 4, 3), LABELS(IG_I64, 4, 2, 3)},
     .n_outputs = 2},
};

const ig_op_cases ig_cases_softmax_cross_entropy_loss = {.op = "SoftmaxCrossEntropyLoss",
                                                         .reference = reference,
                                                         .n_cases = IG_COUNT(cases),
                                                         .cases = cases};
