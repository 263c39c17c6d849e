/* Cases of IsNaN. */
#include "elementwise_cases.h"

#define LISTED(type)                                                                               \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(IG_COUNT(special_values)), .fill = IG_FILL_VALUES,              \
    .values = special_values, .n_values = IG_COUNT(special_values)                                 \
  }

UNARY_REFERENCE(isnan(x))

static const ig_op_case cases[] = {
    {.name = "f32", .inputs = {LISTED(IG_F32)}},
    {.name = "f64", .inputs = {LISTED(IG_F64)}},
    {.name = "e4m3", .inputs = {LISTED(IG_F8E4M3)}},
    {.name = "e5m2", .inputs = {LISTED(IG_F8E5M2)}},
    {.name = "e4m3fnuz", .inputs = {LISTED(IG_F8E4M3FNUZ)}},
    {.name = "image", .inputs = {SPREAD(IG_F32, -4, 4, 2, 20, 3, 3)}},
    {.name = "empty", .inputs = {SPREAD(IG_F32, -4, 4, 0, 3)}},
};

const ig_op_cases ig_cases_is_nan = {
    .op = "IsNaN", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
