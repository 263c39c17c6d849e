/* Cases of ReduceSum. */
#include "reduce_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  reduce_reference(node, in, out, false, false);
}

static const ig_op_case cases[] = {
    REDUCE_CASES,
    {.name = "nothing", .inputs = {SPREAD(IG_F32, -1, 1, 3, 0), AXES(axes_1)}},
};

const ig_op_cases ig_cases_reduce_sum = {
    .op = "ReduceSum", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
