/* Cases of Mul. */
#include "elementwise_cases.h"

BINARY_REFERENCE(a *b)

static const ig_op_case cases[] = {BINARY_CASES(-4, 4), BINARY_INT_CASES(-9, 11), BINARY_WIDE_CASES(-9, 11)};

const ig_op_cases ig_cases_mul = {
    .op = "Mul", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
