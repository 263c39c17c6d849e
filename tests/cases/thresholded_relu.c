/* Cases of ThresholdedRelu. */
#include "elementwise_cases.h"

#define A_FLOAT(key, value)                                                                        \
  { .name = (key), .type = IG_ATTR_FLOAT, .f = (value) }
#define A(i) (double)((const float *)node->attrs)[i]

UNARY_REFERENCE(x <= A(0) ? 0 : x)

static const ig_op_case cases[] = {
    UNARY_CASES(-0.9, 0.9), UNARY_SPECIAL_CASE(),
    UNARY_CASES(-0.9, 0.9, .n_attrs = 1, .attrs = {A_FLOAT("alpha", -2)}),
    UNARY_SPECIAL_CASE(.n_attrs = 1, .attrs = {A_FLOAT("alpha", -2)}),
    {.name = "above", .inputs = {SPREAD(IG_F32, 1.1, 4, 40)}},
};

const ig_op_cases ig_cases_thresholded_relu = {
    .op = "ThresholdedRelu", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
