/* Cases of Greater. */
#include "elementwise_cases.h"

BINARY_REFERENCE(a > b)

static const ig_op_case cases[] = {BINARY_CASES(-4, 4), BINARY_INT_CASES(-2, 2), BINARY_WIDE_CASES(-2, 2)};

const ig_op_cases ig_cases_greater = {
    .op = "Greater", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
