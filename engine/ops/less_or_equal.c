/* LessOrEqual: a <= b with broadcasting. */
#include "engine/ops/elementwise.h"

IG_BINARY_IMPLS(IG_BINARY_LESS_OR_EQUAL)

const ig_op ig_op_less_or_equal = {
    .name = "LessOrEqual",
    .since = 16,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_compare,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
