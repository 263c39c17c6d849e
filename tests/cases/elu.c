/* Cases of Elu. */
#include "elementwise_cases.h"

#define A_FLOAT(key, value)                                                                        \
  { .name = (key), .type = IG_ATTR_FLOAT, .f = (value) }
#define A(i) (double)((const float *)node->attrs)[i]

UNARY_REFERENCE(x < 0 ? A(0) * expm1(x) : x)

static const ig_op_case cases[] = {
    UNARY_CASES(-4, 4), UNARY_SPECIAL_CASE(),
    UNARY_CASES(-4, 4, .n_attrs = 1, .attrs = {A_FLOAT("alpha", 0.5f)}),
    UNARY_SPECIAL_CASE(.n_attrs = 1, .attrs = {A_FLOAT("alpha", 0.5f)}),
};

const ig_op_cases ig_cases_elu = {
    .op = "Elu", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
