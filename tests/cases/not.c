/* Cases of Not. */
#include "elementwise_cases.h"

UNARY_REFERENCE(x == 0)

static const ig_op_case cases[] = {{.name = "bool", .inputs = {INT_OPERAND(IG_BOOL, 0, 1)}}};

const ig_op_cases ig_cases_not = {
    .op = "Not", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
