/* Not: the negation of bools. */
#include "engine/ops/elementwise.h"

static ig_status run(const ig_call *call) {
  return ig_unary_reference(call, IG_UNARY_NOT, 0, 0);
}

static const ig_impl impls[] = {
    {.name = "reference", .reject = ig_reject_unary_reference, .run = run},
    {0},
};

const ig_op ig_op_not = {
    .name = "Not",
    .since = 1,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .infer = ig_infer_logic,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
