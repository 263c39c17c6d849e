/* Cases of Pow: variable exponents, and the constant ones that have a path of their own. */
#include "elementwise_cases.h"

BINARY_REFERENCE(ig_dtype_is_int(node->inputs[0]->dtype) ? trunc(pow(a, b)) : pow(a, b))

static const double two[] = {2}, three[] = {3}, one[] = {1}, half[] = {0.5}, minus_one[] = {-1};

#define EXPONENT(title, list)                                                                      \
  {                                                                                                \
    .name = (title), .inputs = {                                                                   \
      SPREAD(IG_F32, 0.3, 4, 5, 19),                                                               \
      {.dtype = IG_F32,                                                                            \
       .fill = IG_FILL_VALUES,                                                                     \
       .values = (list),                                                                           \
       .n_values = 1,                                                                              \
       .constant = true},                                                                          \
    }                                                                                              \
  }

static const ig_op_case cases[] = {
    BINARY_CASES(0.5, 3),
    EXPONENT("square", two),
    EXPONENT("cube", three),
    EXPONENT("first", one),
    EXPONENT("root", half),
    EXPONENT("inverse", minus_one),
    {.name = "negative base",
     .inputs = {SPREAD(IG_F32, -3, 3, 9),
                {.dtype = IG_F32,
                 .fill = IG_FILL_VALUES,
                 .values = two,
                 .n_values = 1,
                 .constant = true}}},
    {.name = "integer exponent",
     .inputs = {SPREAD(IG_F32, -3, 3, 9),
                {.dtype = IG_I64, .shape = DIMS(9), .fill = IG_FILL_INT, .low = -2, .high = 3}}},
    {.name = "u64 exponent", .inputs = {SPREAD(IG_F32, -3, 3, 4, 9), INT_OPERAND(IG_U64, 0, 4)}},
    {.name = "f64 exponent", .inputs = {SPREAD(IG_F32, 0.3, 4, 9), SPREAD(IG_F64, -2, 2, 9)}},
    {.name = "i32 to f32", .inputs = {INT_OPERAND(IG_I32, 0, 9), INT_OPERAND(IG_F32, 0, 4)}},
    {.name = "i32 to fractions", .inputs = {INT_OPERAND(IG_I32, 0, 99), SPREAD(IG_F64, -1, 2, 4, 9)}},
    {.name = "u16", .inputs = {INT_OPERAND(IG_U16, 0, 9), INT_OPERAND(IG_U8, 0, 5)}},
    {.name = "i64",
     .inputs = {{.dtype = IG_I64, .shape = DIMS(40), .fill = IG_FILL_INT, .low = -4, .high = 4},
                {.dtype = IG_I64, .shape = DIMS(40), .fill = IG_FILL_INT, .low = 0, .high = 6}}},
};

const ig_op_cases ig_cases_pow = {
    .op = "Pow", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
