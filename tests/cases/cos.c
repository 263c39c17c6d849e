/* Cases of Cos. */
#include "elementwise_cases.h"

UNARY_REFERENCE(cos(x))

static const ig_op_case cases[] = {UNARY_CASES(-9, 9), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_cos = {
    .op = "Cos", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
