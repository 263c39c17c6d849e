/* BitwiseOr: the bits that either of two integers has, with broadcasting. */
#include "engine/ops/elementwise.h"

static ig_status run(const ig_call *call) {
  return ig_binary_reference(call, IG_BINARY_BITWISE_OR);
}

static const ig_impl impls[] = {
    {.name = "reference", .reject = ig_reject_binary_reference, .run = run},
    {0},
};

const ig_op ig_op_bitwise_or = {
    .name = "BitwiseOr",
    .since = 18,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_binary_int,
    .cost = ig_cost_elementwise,
    .inplace = ig_inplace_binary,
    .impls = impls,
};
