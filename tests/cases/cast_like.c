/* Cases of CastLike. */
#include "cast_cases.h"

#define LIKE(type) FIXED(type, 2)

static const ig_op_case cases[] = {
    {.name = "f64", .inputs = {NORMAL(IG_F32, 5, 7), LIKE(IG_F64)}},
    {.name = "f16", .inputs = {NORMAL(IG_F32, 1003), LIKE(IG_F16)}, NO_GRADIENT},
    {.name = "f32", .inputs = {NORMAL(IG_F32, 19), LIKE(IG_F32)}, NO_GRADIENT},
    {.name = "i16", .inputs = {BETWEEN(IG_F32, -9, 9, 50), LIKE(IG_I16)}},
    {.name = "i4", .inputs = {INTS(IG_I32, -99, 99, 50), LIKE(IG_I4)}},
    {.name = "e4m3",
     .inputs = {BETWEEN(IG_F32, 1, 600, 600), LIKE(IG_F8E4M3)},
     .n_attrs = 1,
     .attrs = {A_INT("saturate", 0)},
     NO_GRADIENT},
    {.name = "e8m0",
     .inputs = {BETWEEN(IG_F32, 1, 9, 60), LIKE(IG_F8E8M0)},
     .n_attrs = 1,
     .attrs = {A_STRING("round_mode", "down")},
     NO_GRADIENT},
    {.name = "scalar", .inputs = {SCALAR_AS(IG_F32, false, 1.5), LIKE(IG_I32)}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3), LIKE(IG_U64)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 90000), LIKE(IG_BF16)}, NO_GRADIENT},
};

const ig_op_cases ig_cases_cast_like = {
    .op = "CastLike", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
