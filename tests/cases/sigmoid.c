/* Cases of Sigmoid. */
#include "elementwise_cases.h"

UNARY_REFERENCE(1 / (1 + exp(-x)))

static const ig_op_case cases[] = {UNARY_CASES(-8, 8), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_sigmoid = {
    .op = "Sigmoid", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
