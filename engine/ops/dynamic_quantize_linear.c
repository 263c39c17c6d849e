/* DynamicQuantizeLinear: f32 as u8 by the range of the tensor itself and 0. Outputs y, its scale and
 * its zero point. Where all is 0, for which ONNX's formula divides by 0, the scale is 1. */
#include "engine/ops/op.h"
#include "kernels/observe.h"
#include "kernels/quantize.h"

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  IG_CHECK(x->dtype == IG_F32, IG_ERR_SHAPE, "input 0 must be f32, found %s",
           ig_dtype_name(x->dtype));
  IG_TRY(ig_infer_set(node, 0, IG_U8, &x->shape));
  IG_TRY(ig_infer_set(node, 1, IG_F32, &IG_SCALAR));
  return ig_infer_set(node, 2, IG_U8, &IG_SCALAR);
}

/* Two comparisons, then as QuantizeLinear. */
static ig_cost cost(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  return (ig_cost){5.0 * (double)ig_value_count(x),
                   ig_cost_copy(node).bytes + (double)ig_value_bytes(x)};
}

static ig_status run(const ig_call *call) {
  int64_t count = ig_value_count(call->node->inputs[0]);
  const ig_quantize q = {IG_F32, IG_F32, IG_U8, .outer = 1, .n = 1, .inner = count};
  ig_extremes seen = {0, 0};
  ig_cpu_extremes(IG_F32, call->in[0], count, &seen);
  ig_quantize_range(ig_least_seen(&seen), ig_most_seen(&seen), call->out[1], call->out[2]);
  ig_cpu_quantize_vector(&q, call->in[0], call->out[1], call->out[2], call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {{.name = "vector", .run = run}, {0}};

const ig_op ig_op_dynamic_quantize_linear = {
    .name = "DynamicQuantizeLinear",
    .since = 11,
    .n_in = {1, 1},
    .n_out = {3, 3},
    .flags = IG_OP_PURE,
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
