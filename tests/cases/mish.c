/* Cases of Mish. */
#include "elementwise_cases.h"

UNARY_REFERENCE(x * tanh(x > 30 ? x : log1p(exp(x))))

static const ig_op_case cases[] = {UNARY_CASES(-9, 9), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_mish = {
    .op = "Mish", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
