/* Size: the number of elements of the input, as a scalar i64. */
#include "engine/ops/op.h"

static ig_status infer(ig_node *node) {
  return ig_infer_set(node, 0, IG_I64, &IG_SCALAR);
}

static ig_status run(const ig_call *call) {
  *(int64_t *)call->out[0] = ig_value_count(call->node->inputs[0]);
  return IG_OK;
}

static ig_cost cost(const ig_node *node) {
  return (ig_cost){0, (double)ig_value_bytes(node->outputs[0])};
}

static const ig_impl impls[] = {{.name = "cpu", .run = run}, {0}};

const ig_op ig_op_size = {
    .name = "Size",
    .since = 13,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_SHAPE,
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
