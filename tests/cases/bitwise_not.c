/* Cases of BitwiseNot. */
#include "elementwise_cases.h"

/* Two's complement: -1 - x, and of natural numbers what remains to the largest. */
static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  ig_dtype dtype = node->inputs[0]->dtype;
  int64_t n = ig_shape_count(&out->shape);
  double most = ig_dtype_is_unsigned(dtype) ? ldexp(1, ig_dtype_bits(dtype)) - 1 : -1;
  for (int64_t i = 0; i < n; i++) out->data[i] = most - in->data[i];
}

static const ig_op_case cases[] = {UNARY_INT_CASES, UNARY_WIDE_CASES};

const ig_op_cases ig_cases_bitwise_not = {
    .op = "BitwiseNot", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
