/* Cases of ReduceLogSum. */
#include "reduce_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  reduce_fold(node, in, out, 0, fold_sum);
  reduce_finish(node, out, log);
}

static const ig_op_case cases[] = {
    REDUCE_CASES_FROM(0.5),
    EMPTY_CASE,
};

const ig_op_cases ig_cases_reduce_log_sum = {
    .op = "ReduceLogSum", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
