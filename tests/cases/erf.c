/* Cases of Erf. */
#include "elementwise_cases.h"

UNARY_REFERENCE(erf(x))

static const ig_op_case cases[] = {UNARY_CASES(-4, 4), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_erf = {
    .op = "Erf", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
