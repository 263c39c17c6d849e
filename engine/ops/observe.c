/* ingot.Observe: what calibration sees of a tensor. Inputs x (float) and state, i64
 * [IG_OBSERVER_WORDS] (kernels/observe.h); the output is the state after it has taken in x, to be assigned
 * to the STATE. It neither changes x nor cares for the order of its elements, so that any layout will do. */
#include <string.h>

#include "engine/ops/op.h"
#include "kernels/observe.h"

static ig_status observe_infer(ig_node *node) {
  const ig_value *state = node->inputs[1];
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(state->dtype == IG_I64 && state->shape.rank == 1 &&
               state->shape.dims[0] == IG_OBSERVER_WORDS,
           IG_ERR_SHAPE, "the state must be i64 [%d], found %s %s", IG_OBSERVER_WORDS,
           ig_dtype_name(state->dtype), IG_SHAPE_STR(&state->shape));
  return ig_infer_set(node, 0, IG_I64, &state->shape);
}

static int observe_inplace(const ig_node *node, int output) {
  IG_UNUSED(node);
  return output == 0 ? 1 : -1;
}

static size_t observe_workspace(const ig_node *node) {
  IG_UNUSED(node);
  return IG_OBSERVER_WORKSPACE;
}

static ig_observed observed(const ig_value *x) {
  ig_observed what = {.dtype = x->dtype, .count = ig_value_count(x)};
  if (x->layout != IG_LAYOUT_BLOCK16) return what;
  const int64_t *dims = x->shape.dims;
  what.count = ig_layout_count(x->layout, dims);
  what.area = dims[2] * dims[3];
  what.blocks = (dims[1] + IG_LAYOUT_BLOCK - 1) / IG_LAYOUT_BLOCK;
  what.tail = (int)(dims[1] % IG_LAYOUT_BLOCK);
  return what;
}

static ig_status observe_run(const ig_call *call) {
  const ig_observed what = observed(call->node->inputs[0]);
  if (call->out[0] != call->in[1]) {
    memcpy(call->out[0], call->in[1], IG_OBSERVER_WORDS * sizeof(int64_t));
  }
  ig_cpu_observe(&what, call->in[0], call->out[0], call->workspace);
  return IG_OK;
}

static ig_cost observe_cost(const ig_node *node) {
  double n = (double)ig_value_count(node->inputs[0]);
  return (ig_cost){n, n * (double)ig_dtype_size(node->inputs[0]->dtype) +
                          2.0 * IG_OBSERVER_WORDS * sizeof(int64_t)};
}

static const ig_impl observe_impls[] = {
    {.name = "simd", .device = IG_CPU, .workspace = observe_workspace, .run = observe_run},
    {.name = NULL},
};

const ig_op ig_op_observe = {
    .name = "ingot.Observe",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_UPDATE,
    .infer = observe_infer,
    .cost = observe_cost,
    .inplace = observe_inplace,
    .impls = observe_impls,
};
