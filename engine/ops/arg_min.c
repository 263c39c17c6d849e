/* ArgMin: where the least element along an axis stands, as i64. */
#include "engine/ops/arg.h"

static ig_status run(const ig_call *call) {
  return ig_arg_run(call, true);
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_arg_min = {
    .name = "ArgMin",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = ig_arg_fields,
    .attrs_size = sizeof(ig_arg_attrs),
    .infer = ig_arg_infer,
    .cost = ig_arg_cost,
    .impls = impls,
};
