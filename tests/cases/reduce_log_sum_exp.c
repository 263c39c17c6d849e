/* Cases of ReduceLogSumExp. */
#include "reduce_cases.h"

static double fold(double total, double x) {
  return total + exp(x);
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  reduce_fold(node, in, out, 0, fold);
  reduce_finish(node, out, log);
}

static const ig_op_case cases[] = {
    REDUCE_CASES,
    EMPTY_CASE,
};

const ig_op_cases ig_cases_reduce_log_sum_exp = {
    .op = "ReduceLogSumExp", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
