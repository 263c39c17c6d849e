/* Cases of Shrink. */
#include "elementwise_cases.h"

#define A_FLOAT(key, value)                                                                        \
  { .name = (key), .type = IG_ATTR_FLOAT, .f = (value) }
#define A(i) (double)((const float *)node->attrs)[i]

UNARY_REFERENCE(x < -A(0) ? x + A(1) : x > A(0) ? x - A(1) : isnan(x) ? x : 0)

static const ig_op_case cases[] = {
    UNARY_CASES(0.6, 4), UNARY_SPECIAL_CASE(),
    UNARY_CASES(0.6, 4, .n_attrs = 2, .attrs = {A_FLOAT("lambd", 0.25f), A_FLOAT("bias", 0.125f)}),
    UNARY_SPECIAL_CASE(.n_attrs = 2, .attrs = {A_FLOAT("lambd", 0.25f), A_FLOAT("bias", 0.125f)}),
    UNARY_INT_CASES,
    {.name = "within", .inputs = {SPREAD(IG_F32, -0.4, 0.4, 40)}},
    {.name = "below", .inputs = {SPREAD(IG_F32, -4, -0.6, 40)}},
};

const ig_op_cases ig_cases_shrink = {
    .op = "Shrink", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
