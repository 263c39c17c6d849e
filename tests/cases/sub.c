/* Cases of Sub. */
#include "elementwise_cases.h"

BINARY_REFERENCE(a - b)

static const ig_op_case cases[] = {
    BINARY_CASES(-4, 4),
    {.name = "i64", .inputs = {INT_OPERAND(IG_I64, -9, 9), INT_OPERAND(IG_I64, -9, 9)}}};

const ig_op_cases ig_cases_sub = {
    .op = "Sub", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
