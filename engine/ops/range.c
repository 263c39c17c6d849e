/* Range: start, start + delta, ... before limit. The bounds are constants, for they are the length of
 * the result. */
#include <math.h>

#include "engine/ops/op.h"

typedef struct range_attrs {
  int64_t stash_type;
} range_attrs;

/* The type that 16-bit floats are computed in; here it is f64 always, rounded once. */
static const ig_attr_field range_fields[] = {
    IG_FIELD_INT(range_attrs, stash_type, 1),
    {0},
};

/* How many steps lead from start to before limit, exactly, for 64-bit integers. */
static ig_status whole_length(int64_t start, int64_t limit, int64_t delta, int64_t *out) {
  uint64_t span = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
  uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
  IG_CHECK(delta != 0, IG_ERR_SHAPE, "delta is 0");
  if (delta > 0 ? start >= limit : start <= limit) span = 0;
  uint64_t length = span / step + (span % step != 0);
  IG_CHECK(length <= INT64_MAX, IG_ERR_SHAPE, "from %lld to %lld by %lld has no length",
           (long long)start, (long long)limit, (long long)delta);
  *out = (int64_t)length;
  return IG_OK;
}

static ig_status range_length(const ig_node *node, int64_t *out) {
  double bound[3];
  const char *const names[3] = {"start", "limit", "delta"};
  for (int i = 0; i < 3; i++) {
    IG_CHECK(node->inputs[i]->dtype == node->inputs[0]->dtype, IG_ERR_SHAPE,
             "%s is %s, start is %s", names[i], ig_dtype_name(node->inputs[i]->dtype),
             ig_dtype_name(node->inputs[0]->dtype));
    IG_TRY(ig_value_const_scalar(node->inputs[i], names[i], 0, &bound[i]));
  }
  const ig_value *const *in = (const ig_value *const *)node->inputs;
  if (in[0]->dtype == IG_I64) {
    return whole_length(*(const int64_t *)in[0]->data, *(const int64_t *)in[1]->data,
                        *(const int64_t *)in[2]->data, out);
  }
  double length = ceil((bound[1] - bound[0]) / bound[2]);
  IG_CHECK(bound[2] != 0 && isfinite(length) && length < 0x1p53, IG_ERR_SHAPE,
           "from %g to %g by %g has no length", bound[0], bound[1], bound[2]);
  *out = length > 0 ? (int64_t)length : 0;
  return IG_OK;
}

static ig_status range_infer(ig_node *node) {
  int64_t length = 0;
  ig_dtype dtype = node->inputs[0]->dtype;
  IG_CHECK(ig_dtype_is_float(dtype) || ig_dtype_is_int(dtype), IG_ERR_SHAPE,
           "the bounds must be numbers, found %s", ig_dtype_name(dtype));
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
    .attrs = range_fields,
    .attrs_size = sizeof(range_attrs),
    .infer = range_infer,
    .cost = ig_cost_elementwise,
    .settings = 1 << 0 | 1 << 1 | 1 << 2,
    .impls = range_impls,
};
