/* Cases of Or. */
#include "elementwise_cases.h"

BINARY_REFERENCE(a != 0 || b != 0)

static const ig_op_case cases[] = {BOOL_CASES};

const ig_op_cases ig_cases_or = {
    .op = "Or", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
