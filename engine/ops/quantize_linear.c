/* QuantizeLinear: y = saturate(round(x / scale) + zero point), as integers of 16 bits and less or as small
 * floats, for those of 8 bits also without saturation. The quotient is f32, also of 16-bit scales, unless
 * `precision` names another type. */
#include "engine/ops/quantize.h"

static const ig_attr_field fields[] = {
    IG_QUANTIZE_FIELDS,
    IG_FIELD_INT(ig_quantize_attrs, precision, 0),
    IG_FIELD_INT(ig_quantize_attrs, saturate, 1),
    {.name = NULL},
};

/* The zero point's type, what output_dtype says, or u8. */
static ig_status result_dtype(const ig_node *node, ig_dtype *out) {
  int64_t named = IG_ATTRS_OF(ig_quantize_attrs, node)->output_dtype;
  const ig_value *zero = node->n_inputs > 2 ? node->inputs[2] : NULL;
  *out = zero ? zero->dtype : IG_U8;
  if (named) {
    ig_dtype dtype = ig_dtype_from_onnx(named);
    IG_CHECK(!zero || dtype == zero->dtype, IG_ERR_SHAPE,
             "output_dtype is ONNX type %lld where the zero point is %s", (long long)named,
             ig_dtype_name(zero->dtype));
    IG_CHECK(dtype != IG_NONE, IG_ERR_UNSUPPORTED, "no element type for ONNX type %lld",
             (long long)named);
    *out = dtype;
  }
  bool narrow = ig_dtype_is_short_int(*out) ||
                (ig_dtype_is_small_float(*out) && *out != IG_F8E8M0) ||
                (ig_dtype_is_int(*out) && ig_dtype_bits(*out) <= 16);
  IG_CHECK(narrow, IG_ERR_UNSUPPORTED, "quantizes to narrow integers and floats, not to %s",
           ig_dtype_name(*out));
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const ig_value *x = node->inputs[0];
  ig_dtype whole;
  int64_t precision = IG_ATTRS_OF(ig_quantize_attrs, node)->precision;
  IG_CHECK(x->dtype == IG_F32 || x->dtype == IG_BF16 || x->dtype == IG_F16 || x->dtype == IG_I32,
           IG_ERR_SHAPE, "input 0 must be f32, bf16, f16 or i32, found %s",
           ig_dtype_name(x->dtype));
  IG_CHECK(!precision || ig_dtype_is_float(ig_dtype_from_onnx(precision)), IG_ERR_USAGE,
           "precision is ONNX type %lld, expected a float to compute in", (long long)precision);
  IG_TRY(result_dtype(node, &whole));
  IG_TRY(ig_quantize_check(node, whole));
  return ig_infer_set(node, 0, whole, &x->shape);
}

static const char *reject_vector(const ig_node *node) {
  return ig_quantize_reject(node, node->inputs[0], node->outputs[0], false);
}

static ig_status run_vector(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_quantize q = ig_quantize_of(node, node->inputs[0], node->outputs[0]);
  ig_cpu_quantize_vector(&q, call->in[0], call->in[1], ig_quantize_zero(call), call->out[0]);
  return IG_OK;
}

static ig_status run_reference(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_quantize q = ig_quantize_of(node, node->inputs[0], node->outputs[0]);
  ig_cpu_quantize_reference(&q, call->in[0], call->in[1], ig_quantize_zero(call), call->out[0]);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "vector", .reject = reject_vector, .run = run_vector},
    {.name = "reference", .reject = ig_quantize_reject_layouts, .run = run_reference},
    {0},
};

const ig_op ig_op_quantize_linear = {
    .name = "QuantizeLinear",
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
