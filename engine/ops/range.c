/* Range: start, start + delta, ... before limit. The bounds are constants, for they are the length of
 * the result. */
#include <math.h>

#include "engine/ops/op.h"

static ig_status range_length(const ig_node *node, int64_t *out) {
  double bound[3];
  const char *const names[3] = {"start", "limit", "delta"};
  for (int i = 0; i < 3; i++) {
    IG_CHECK(node->inputs[i]->dtype == node->inputs[0]->dtype, IG_ERR_SHAPE,
             "%s is %s, start is %s", names[i], ig_dtype_name(node->inputs[i]->dtype),
             ig_dtype_name(node->inputs[0]->dtype));
    IG_TRY(ig_value_const_scalar(node->inputs[i], names[i], 0, &bound[i]));
  }
  double length = ceil((bound[1] - bound[0]) / bound[2]);
  IG_CHECK(bound[2] != 0 && isfinite(length) && length < 0x1p53, IG_ERR_SHAPE,
           "from %g to %g by %g has no length", bound[0], bound[1], bound[2]);
  *out = length > 0 ? (int64_t)length : 0;
  return IG_OK;
}

static ig_status range_infer(ig_node *node) {
  int64_t length = 0;
  IG_TRY(range_length(node, &length));
  ig_shape out = IG_SHAPE(length);
  return ig_infer_set(node, 0, node->inputs[0]->dtype, &out);
}

static ig_status range_run(const ig_call *call) {
  const ig_value *y = call->node->outputs[0];
  int64_t n = ig_value_count(y);
  if (y->dtype == IG_I64) {
    uint64_t start = *(const uint64_t *)call->in[0], delta = *(const uint64_t *)call->in[2];
    for (int64_t i = 0; i < n; i++) ((uint64_t *)call->out[0])[i] = start + (uint64_t)i * delta;
    return IG_OK;
  }
  double start = ig_load_f64(y->dtype, call->in[0], 0);
  double delta = ig_load_f64(y->dtype, call->in[2], 0);
  for (int64_t i = 0; i < n; i++)
    ig_store_f64(y->dtype, call->out[0], i, start + (double)i * delta);
  return IG_OK;
}

static const ig_impl range_impls[] = {
    {.name = "cpu",     .device = IG_CPU, .run = range_run},
    {.name = NULL},
};

const ig_op ig_op_range = {
    .name = "Range",
    .since = 11,
    .n_in = {3, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = range_infer,
    .cost = ig_cost_elementwise,
    .impls = range_impls,
};
