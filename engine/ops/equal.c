/* Equal: a == b with broadcasting, of any dtype. */
#include "engine/ops/elementwise.h"

IG_BINARY_IMPLS(IG_BINARY_EQUAL)

const ig_op ig_op_equal = {
    .name = "Equal",
    .since = 19,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_compare,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
