/* Cases of ReduceMin. */
#include "reduce_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  reduce_fold(node, in, out, INFINITY, fmin);
}

static const ig_op_case cases[] = {
    REDUCE_CASES,
    BOOLS,
    EMPTY_CASE,
};

const ig_op_cases ig_cases_reduce_min = {
    .op = "ReduceMin", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
