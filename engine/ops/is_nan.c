/* IsNaN: which numbers are NaN. */
#include "engine/ops/elementwise.h"

static ig_status run(const ig_call *call) {
  const ig_value *x = call->node->inputs[0];
  ig_cpu_is_special((ig_special){.nan = true}, x->dtype, call->in[0], call->out[0],
                    ig_storage_count(x));
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "reference", .reject = ig_reject_unary_reference, .run = run},
    {0},
};

const ig_op ig_op_is_nan = {
    .name = "IsNaN",
    .since = 9,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_ELEMENTWISE | IG_OP_PURE,
    .infer = ig_infer_special,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
