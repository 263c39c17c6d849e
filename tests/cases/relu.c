/* Cases of Relu. */
#include "elementwise_cases.h"

UNARY_REFERENCE(x < 0 ? 0 : x)

static const ig_op_case cases[] = {UNARY_CASES(-4, 4), UNARY_SPECIAL_CASE(), UNARY_INT_CASES, UNARY_WIDE_CASES};

const ig_op_cases ig_cases_relu = {
    .op = "Relu", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
