/* Cases of ingot.LogSoftmaxGrad. */
#include "softmax_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  softmax_grad_reference(node, in, out, true);
}

static const ig_op_case cases[] = {SOFTMAX_GRAD_CASES(-6, 0)};

const ig_op_cases ig_cases_log_softmax_grad = {.op = "ingot.LogSoftmaxGrad",
                                               .reference = reference,
                                               .n_cases = IG_COUNT(cases),
                                               .cases = cases};
