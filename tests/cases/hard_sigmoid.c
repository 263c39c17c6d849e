/* Cases of HardSigmoid. */
#include "elementwise_cases.h"

#define A_FLOAT(key, value)                                                                        \
  { .name = (key), .type = IG_ATTR_FLOAT, .f = (value) }
#define A(i) (double)((const float *)node->attrs)[i]

UNARY_REFERENCE(isnan(x) ? x : fmin(fmax(A(0) * x + A(1), 0), 1))

static const ig_op_case cases[] = {
    UNARY_CASES(-2.4, 2.4), UNARY_SPECIAL_CASE(),
    UNARY_CASES(-2.4, 2.4, .n_attrs = 2, .attrs = {A_FLOAT("alpha", 0.5f), A_FLOAT("beta", 0.25f)}),
    UNARY_SPECIAL_CASE(.n_attrs = 2, .attrs = {A_FLOAT("alpha", 0.5f), A_FLOAT("beta", 0.25f)}),
    {.name = "below", .inputs = {SPREAD(IG_F32, -9, -2.6, 40)}},
    {.name = "above", .inputs = {SPREAD(IG_F32, 2.6, 9, 40)}},
};

const ig_op_cases ig_cases_hard_sigmoid = {
    .op = "HardSigmoid", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
