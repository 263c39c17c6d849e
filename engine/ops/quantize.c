/* The parts of QuantizeLinear and DequantizeLinear; see quantize.h. */
#include "engine/ops/quantize.h"

static const ig_value *zero_point_of(const ig_node *node) {
  return node->n_inputs > 2 ? node->inputs[2] : NULL;
}

static bool is_real(ig_dtype dtype) {
  return dtype == IG_F32 || dtype == IG_BF16 || dtype == IG_F16;
}

static bool is_one(const ig_shape *shape) {
  return shape->rank == 0 || (shape->rank == 1 && shape->dims[0] == 1);
}

static ig_status check_blocks(const ig_shape *x, const ig_shape *scale, int axis, int64_t block) {
  IG_CHECK(block > 0, IG_ERR_SHAPE, "block_size is %lld, expected at least 0", (long long)block);
  ig_shape want = *x;
  int64_t n = x->dims[axis];
  want.dims[axis] = n / block + (n % block != 0);
  IG_CHECK(ig_shape_equal(scale, &want), IG_ERR_SHAPE,
           "scale has shape %s, expected %s: blocks of %lld along axis %d of %s",
           IG_SHAPE_STR(scale), IG_SHAPE_STR(&want), (long long)block, axis, IG_SHAPE_STR(x));
  return IG_OK;
}

ig_status ig_quantize_check(const ig_node *node, ig_dtype whole) {
  const ig_quantize_attrs *a = IG_ATTRS_OF(ig_quantize_attrs, node);
  const ig_value *scale = node->inputs[1], *zero = zero_point_of(node);
  const ig_shape *x = &node->inputs[0]->shape;
  bool both_i32 = scale->dtype == IG_I32 && node->inputs[0]->dtype == IG_I32 && whole != IG_I32;
  IG_CHECK(is_real(scale->dtype) || scale->dtype == IG_F8E8M0 || both_i32, IG_ERR_SHAPE,
           "scale must be f32, bf16, f16 or f8e8m0, found %s", ig_dtype_name(scale->dtype));
  IG_CHECK(!zero || zero->dtype == whole, IG_ERR_SHAPE, "zero point is %s, expected %s",
           ig_dtype_name(zero->dtype), ig_dtype_name(whole));
  bool alike = !zero || ig_shape_equal(&zero->shape, &scale->shape) ||
               (is_one(&zero->shape) && is_one(&scale->shape));
  IG_CHECK(alike, IG_ERR_SHAPE,
           "zero point has shape %s where scale has %s", IG_SHAPE_STR(&zero->shape),
           IG_SHAPE_STR(&scale->shape));
  if (a->block_size == 0 && is_one(&scale->shape)) return IG_OK;
  int axis = ig_shape_axis(x, a->axis);
  IG_CHECK(axis >= 0, IG_ERR_SHAPE, "axis %lld is outside shape %s", (long long)a->axis,
           IG_SHAPE_STR(x));
  if (a->block_size != 0) return check_blocks(x, &scale->shape, axis, a->block_size);
  IG_CHECK(scale->shape.rank == 1 && scale->shape.dims[0] == x->dims[axis], IG_ERR_SHAPE,
           "scale has shape %s, expected one number or [%lld]: axis %d of %s",
           IG_SHAPE_STR(&scale->shape), (long long)x->dims[axis], axis, IG_SHAPE_STR(x));
  return IG_OK;
}

ig_quantize ig_quantize_of(const ig_node *node, const ig_value *real, const ig_value *whole) {
  const ig_quantize_attrs *a = IG_ATTRS_OF(ig_quantize_attrs, node);
  const ig_shape *x = &node->inputs[0]->shape;
  ig_quantize q = {.real = real->dtype,
                   .scale = node->inputs[1]->dtype,
                   .whole = whole->dtype,
                   .outer = 1,
                   .n = 1,
                   .inner = ig_shape_count(x),
                   .precision = ig_dtype_from_onnx(a->precision),
                   .overflows = whole == node->outputs[0] && !a->saturate};
  if (a->block_size == 0 && is_one(&node->inputs[1]->shape)) return q;
  int axis = ig_shape_axis(x, a->axis);
  q.outer = ig_shape_span(x, 0, axis);
  q.n = x->dims[axis];
  q.inner = ig_shape_span(x, axis + 1, x->rank);
  q.block = a->block_size;
  return q;
}

const char *ig_quantize_reject_layouts(const ig_node *node) {
  const ig_value *x = node->inputs[0];
  if (x->layout != node->outputs[0]->layout) return "operands differ in memory layout";
  if (x->layout == IG_LAYOUT_BLOCK16) return "blocks of channels";
  if (x->layout == IG_LAYOUT_ROWS || is_one(&node->inputs[1]->shape)) return NULL;
  return "several scales are for row-major memory";
}

const char *ig_quantize_reject(const ig_node *node, const ig_value *real, const ig_value *whole,
                               bool wide) {
  ig_dtype scale = node->inputs[1]->dtype, number = real->dtype;
  bool eight = whole->dtype == IG_I8 || whole->dtype == IG_U8;
  bool sums = whole->dtype == IG_I32 && whole == node->inputs[0];
  if (!eight && !sums) return "not of 8-bit integers";
  if (ig_dtype_from_onnx(IG_ATTRS_OF(ig_quantize_attrs, node)->precision) > IG_NONE &&
      IG_ATTRS_OF(ig_quantize_attrs, node)->precision != ig_dtype_to_onnx(IG_F32))
    return "the quotient is not f32";
  if (wide ? !is_real(scale) || !is_real(number) : scale != IG_F32 || number != IG_F32)
    return "numbers and scales of another type";
  return ig_quantize_reject_layouts(node);
}

const void *ig_quantize_zero(const ig_call *call) {
  return zero_point_of(call->node) ? call->in[2] : NULL;
}

/* A division or product, an addition, rounding. */
ig_cost ig_quantize_cost(const ig_node *node) {
  return (ig_cost){3.0 * (double)ig_value_count(node->inputs[0]), ig_cost_copy(node).bytes};
}
