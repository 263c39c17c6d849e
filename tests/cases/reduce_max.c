/* Cases of ReduceMax. */
#include "reduce_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  reduce_reference(node, in, out, true, false);
}

static const ig_op_case cases[] = {
    REDUCE_CASES,
    EMPTY_CASE,
    BOOLS,
};

const ig_op_cases ig_cases_reduce_max = {
    .op = "ReduceMax", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
