/* Cases of Softsign. */
#include "elementwise_cases.h"

UNARY_REFERENCE(isinf(x) ? copysign(1, x) : x / (1 + fabs(x)))

static const ig_op_case cases[] = {UNARY_CASES(-4, 4), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_softsign = {
    .op = "Softsign", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
