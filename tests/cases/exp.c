/* Cases of Exp. */
#include "elementwise_cases.h"

UNARY_REFERENCE(exp(x))

static const ig_op_case cases[] = {UNARY_CASES(-5, 5), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_exp = {
    .op = "Exp", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
