/* Cases of Acosh. */
#include "elementwise_cases.h"

UNARY_REFERENCE(acosh(x))

static const ig_op_case cases[] = {UNARY_CASES(1.2, 9), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_acosh = {
    .op = "Acosh", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
