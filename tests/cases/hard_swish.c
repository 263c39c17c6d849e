/* Cases of HardSwish. */
#include "elementwise_cases.h"

UNARY_REFERENCE(x <= -3 ? (isinf(x) ? NAN : 0) : x >= 3 ? x : x * (x + 3) / 6)

static const ig_op_case cases[] = {UNARY_CASES(-5.01, 5), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_hard_swish = {
    .op = "HardSwish", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
