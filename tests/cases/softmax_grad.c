/* Cases of ingot.SoftmaxGrad. */
#include "softmax_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  softmax_grad_reference(node, in, out, false);
}

static const ig_op_case cases[] = {SOFTMAX_GRAD_CASES(0, 0.1)};

const ig_op_cases ig_cases_softmax_grad = {
    .op = "ingot.SoftmaxGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
