/* Cases of BitwiseAnd. */
#include "elementwise_cases.h"

BINARY_REFERENCE((double)((int64_t)a & (int64_t)b))

static const ig_op_case cases[] = {
    BINARY_INT_CASES(-99, 99), BINARY_WIDE_CASES(-99, 99),
    {.name = "row", .inputs = {INT_OPERAND(IG_I16, -99, 99), {.dtype = IG_I16, .shape = DIMS(9), .fill = IG_FILL_INT, .low = -9, .high = 9}}},
};

const ig_op_cases ig_cases_bitwise_and = {
    .op = "BitwiseAnd", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
