/* DequantizeLinear: y = (x - zero point) * scale, from integers of 16 bits and less, small floats, or i32
 * (the sums of products of 8-bit numbers), of the scale's type or what output_dtype says. */
#include "engine/ops/quantize.h"

static const ig_attr_field fields[] = {
    IG_QUANTIZE_FIELDS,
    {.name = NULL},
};

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  int64_t named = IG_ATTRS_OF(ig_quantize_attrs, node)->output_dtype;
  bool narrow = ig_dtype_is_short_int(x->dtype) ||
                (ig_dtype_is_small_float(x->dtype) && x->dtype != IG_F8E8M0) ||
                (ig_dtype_is_int(x->dtype) && ig_dtype_bits(x->dtype) <= 16) || x->dtype == IG_I32;
  IG_CHECK(narrow, IG_ERR_SHAPE, "input 0 must be narrow integers or floats, or i32, found %s",
           ig_dtype_name(x->dtype));
  IG_TRY(ig_quantize_check(node, x->dtype));
  ig_dtype real = named ? ig_dtype_from_onnx(named) : node->inputs[1]->dtype;
  IG_CHECK(real == IG_F32 || real == IG_BF16 || real == IG_F16, IG_ERR_UNSUPPORTED,
           "output_dtype is ONNX type %lld with a scale of %s: the result must be f32, f16 or bf16",
           (long long)named, ig_dtype_name(node->inputs[1]->dtype));
  return ig_infer_set(node, 0, real, &x->shape);
}

static const char *reject_vector(const ig_node *node) {
  return ig_quantize_reject(node, node->outputs[0], node->inputs[0], false);
}

static ig_status run_vector(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_quantize q = ig_quantize_of(node, node->outputs[0], node->inputs[0]);
  ig_cpu_dequantize_vector(&q, call->in[0], call->in[1], ig_quantize_zero(call), call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_quantize q = ig_quantize_of(node, node->outputs[0], node->inputs[0]);
  ig_cpu_dequantize_reference(&q, call->in[0], call->in[1], ig_quantize_zero(call), call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "vector", .reject = reject_vector, .run = run_vector},
    {.name = "reference", .reject = ig_quantize_reject_layouts, .run = run_reference},
    {0},
};

const ig_op ig_op_dequantize_linear = {
    .name = "DequantizeLinear",
    .since = 21,
    .n_in = {2, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .attrs = fields,
    .attrs_size = sizeof(ig_quantize_attrs),
    .infer = infer,
    .cost = ig_quantize_cost,
    .settings = 1 << 1 | 1 << 2,
    .impls = impls,
};
