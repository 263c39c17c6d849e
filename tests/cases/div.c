/* Cases of Div. */
#include "elementwise_cases.h"

static bool is_int(const ig_node *node) {
  return ig_dtype_is_int(node->outputs[0]->dtype);
}

BINARY_REFERENCE(!is_int(node) ? a / b : b == 0 ? 0 : trunc(a / b))

static const ig_op_case cases[] = {BINARY_CASES(0.5, 4), BINARY_INT_CASES(-9, 9), BINARY_WIDE_CASES(-9, 9)};

const ig_op_cases ig_cases_div = {
    .op = "Div", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
