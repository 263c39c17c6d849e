/* Cases of Sinh. */
#include "elementwise_cases.h"

UNARY_REFERENCE(sinh(x))

static const ig_op_case cases[] = {UNARY_CASES(-4, 4), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_sinh = {
    .op = "Sinh", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
