/* Cases of Sign. */
#include "elementwise_cases.h"

UNARY_REFERENCE(x > 0 ? 1 : x < 0 ? -1 : x)

static const ig_op_case cases[] = {UNARY_CASES(-4, 4), UNARY_SPECIAL_CASE(), UNARY_INT_CASES, UNARY_WIDE_CASES};

const ig_op_cases ig_cases_sign = {
    .op = "Sign", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
