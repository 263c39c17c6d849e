/* Greater: a > b with broadcasting. */
#include "engine/ops/elementwise.h"

IG_BINARY_IMPLS(IG_BINARY_GREATER)

const ig_op ig_op_greater = {
    .name = "Greater",
    .since = 13,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_compare,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
