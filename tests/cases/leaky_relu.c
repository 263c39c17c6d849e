/* Cases of LeakyRelu. */
#include "elementwise_cases.h"

#define STEEP                                                                                      \
  { .name = "alpha", .type = IG_ATTR_FLOAT, .f = 0.25f }

/* The attrs struct holds alpha alone. */
static double slope(const ig_node *node) {
  return *(const float *)node->attrs;
}

UNARY_REFERENCE(x < 0 ? slope(node) * x : x)

static const ig_op_case cases[] = {UNARY_CASES(-4, 4),
                                   UNARY_SPECIAL_CASE(.n_attrs = 1, .attrs = {STEEP}),
                                   UNARY_CASES(-3, 3, .n_attrs = 1, .attrs = {STEEP})};

const ig_op_cases ig_cases_leaky_relu = {
    .op = "LeakyRelu", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
