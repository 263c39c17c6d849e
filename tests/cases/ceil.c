/* Cases of Ceil. */
#include "elementwise_cases.h"

UNARY_REFERENCE(ceil(x))

static const ig_op_case cases[] = {UNARY_CASES(-3.9, 3.97), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_ceil = {
    .op = "Ceil", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
