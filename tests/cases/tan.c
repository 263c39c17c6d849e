/* Cases of Tan. */
#include "elementwise_cases.h"

UNARY_REFERENCE(tan(x))

static const ig_op_case cases[] = {UNARY_CASES(-1.2, 1.2)};

const ig_op_cases ig_cases_tan = {
    .op = "Tan", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
