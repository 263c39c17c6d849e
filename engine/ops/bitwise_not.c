/* BitwiseNot: the complement of an integer's bits. */
#include "engine/ops/elementwise.h"

static ig_status run(const ig_call *call) {
  return ig_unary_reference(call, IG_UNARY_BITWISE_NOT, 0, 0);
}

static const ig_impl impls[] = {
    {.name = "reference", .reject = ig_reject_unary_reference, .run = run},
    {0},
};

const ig_op ig_op_bitwise_not = {
    .name = "BitwiseNot",
    .since = 18,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_binary_int,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
