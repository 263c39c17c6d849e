/* Cases of Log. */
#include "elementwise_cases.h"

UNARY_REFERENCE(log(x))

static const ig_op_case cases[] = {UNARY_CASES(0.1, 9), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_log = {
    .op = "Log", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
