/* Cases of Softplus. */
#include "elementwise_cases.h"

UNARY_REFERENCE(x > 30 ? x : log1p(exp(x)))

static const ig_op_case cases[] = {UNARY_CASES(-8, 8), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_softplus = {
    .op = "Softplus", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
