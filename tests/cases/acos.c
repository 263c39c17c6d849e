/* Cases of Acos. */
#include "elementwise_cases.h"

UNARY_REFERENCE(acos(x))

static const ig_op_case cases[] = {UNARY_CASES(-0.9, 0.9), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_acos = {
    .op = "Acos", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
