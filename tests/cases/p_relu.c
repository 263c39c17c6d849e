/* Cases of PRelu. */
#include "elementwise_cases.h"

BINARY_REFERENCE(a < 0 ? a * b : a)

static const ig_op_case cases[] = {
    BINARY_CASE("same", IG_F32, -4, 4, (3, 37), (3, 37)),
    BINARY_CASE("image", IG_F32, -4, 4, (2, 20, 3, 3), (2, 20, 3, 3)),
    BINARY_CASE("channel", IG_F32, -4, 4, (2, 5, 3, 4), (5, 1, 1)),
    BINARY_CASE("one", IG_F32, -4, 4, (5, 7), (1)),
    BINARY_CASE("f64", IG_F64, -4, 4, (3, 4), (4)),
    BINARY_CASE("empty", IG_F32, -4, 4, (0, 4), (4)),
    {.name = "threads",
     .inputs = {SPREAD(IG_F32, -4, 4, 33, 1100), SPREAD(IG_F32, -4, 4, 33, 1)},
     .no_grad_check = true,
     .why = REASON_SIZE},
    {.name = "i64", .inputs = {INT_OPERAND(IG_I64, -9, 9), INT_OPERAND(IG_I64, -9, 9)}},
    {.name = "u32", .inputs = {INT_OPERAND(IG_U32, 0, 9), INT_OPERAND(IG_U32, 0, 9)}},
};

const ig_op_cases ig_cases_p_relu = {
    .op = "PRelu", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
