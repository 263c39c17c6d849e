/* Cases of Softmax. */
#include "softmax_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  softmax_reference(node, in, out, false);
}

static const ig_op_case cases[] = {SOFTMAX_CASES};

const ig_op_cases ig_cases_softmax = {
    .op = "Softmax", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
