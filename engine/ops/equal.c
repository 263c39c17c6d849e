/* Equal: a == b with broadcasting, of any dtype; of texts outside of plans. */
#include "engine/ops/elementwise.h"
#include "engine/ops/equal_text.h"

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
    .interpret = ig_equal_interpret,
    .impls = impls,
};
