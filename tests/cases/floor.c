/* Cases of Floor. */
#include "elementwise_cases.h"

UNARY_REFERENCE(floor(x))

static const ig_op_case cases[] = {UNARY_CASES(-3.9, 3.97), UNARY_SPECIAL_CASE()};

const ig_op_cases ig_cases_floor = {
    .op = "Floor", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
