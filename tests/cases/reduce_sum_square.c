/* Cases of ReduceSumSquare. */
#include "reduce_cases.h"

static double fold(double total, double x) {
  return total + x * x;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  reduce_fold(node, in, out, 0, fold);
  bool wraps = node->outputs[0]->dtype == IG_U8;
  for (int64_t i = 0; i < ig_shape_count(&out->shape) && wraps; i++)
    out->data[i] = fmod(out->data[i], 256);
}

static const ig_op_case cases[] = {
    REDUCE_CASES,
    EMPTY_CASE,
};

const ig_op_cases ig_cases_reduce_sum_square = {
    .op = "ReduceSumSquare", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
