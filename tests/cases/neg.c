/* Cases of Neg. */
#include "elementwise_cases.h"

UNARY_REFERENCE(-x)

static const ig_op_case cases[] = {UNARY_CASES(-4, 4), UNARY_SPECIAL_CASE(), UNARY_INT_CASES, UNARY_WHOLE_CASE(IG_I16, -32767, 32767)};

const ig_op_cases ig_cases_neg = {
    .op = "Neg", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
