/* Checks of scales and zero points, and what quantized products share; see quantized.h. */
#include "engine/ops/quantized.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine/ops/activation.h"
#include "kernels/lib/onednn.h"

static const ig_quantized_attrs *attrs_of(const ig_node *node) {
  return IG_ATTRS_OF(ig_quantized_attrs, node);
}

static const ig_value *input(const ig_node *node, int i) {
  return i < node->n_inputs ? node->inputs[i] : NULL;
}

static ig_status check_scale(ig_dtype dtype, const char *what, float scale, int64_t zero) {
  int64_t least = dtype == IG_I8 ? -128 : 0;
  IG_CHECK(isfinite(scale) && scale > 0, IG_ERR_USAGE,
           "the scale of %s is %g, expected a positive number", what, (double)scale);
  IG_CHECK(zero >= least && zero <= least + 255, IG_ERR_USAGE,
           "the zero point of %s is %" PRId64 ", expected %" PRId64 " to %" PRId64, what, zero,
           least, least + 255);
  return IG_OK;
}

ig_status ig_quantized_check(const ig_value *value, const char *what, float scale, int64_t zero) {
  IG_CHECK(value->dtype == IG_I8 || value->dtype == IG_U8, IG_ERR_SHAPE,
           "%s must be i8 or u8, found %s", what, ig_dtype_name(value->dtype));
  return check_scale(value->dtype, what, scale, zero);
}

ig_status ig_quantized_result(int64_t to, float scale, int64_t zero, ig_dtype *out) {
  *out = ig_dtype_from_onnx(to);
  IG_CHECK(*out == IG_I8 || *out == IG_U8 || *out == IG_F32, IG_ERR_USAGE,
           "attribute to is ONNX type %" PRId64 ", expected that of i8, u8 or f32", to);
  if (*out != IG_F32) return check_scale(*out, "the result", scale, zero);
  IG_CHECK(scale == 1 && zero == 0, IG_ERR_USAGE, "a result in f32 has no scale or zero point");
  return IG_OK;
}

ig_codes ig_quantized_x(const ig_node *node) {
  const ig_quantized_attrs *a = attrs_of(node);
  return (ig_codes){node->inputs[0]->dtype, a->x_scale, (int32_t)a->x_zero};
}

ig_codes ig_quantized_y(const ig_node *node) {
  const ig_quantized_attrs *a = attrs_of(node);
  return (ig_codes){node->outputs[0]->dtype, a->y_scale, (int32_t)a->y_zero};
}

/* --- products --------------------------------------------------------------------------------- */

static ig_status check_residual(const ig_node *node, ig_dtype dtype, const ig_shape *y) {
  const ig_quantized_attrs *a = attrs_of(node);
  const ig_value *z = input(node, 4);
  if (!z) return IG_OK;
  IG_CHECK(ig_shape_equal(&z->shape, y), IG_ERR_SHAPE, "input 4 is %s, expected the result's %s",
           IG_SHAPE_STR(&z->shape), IG_SHAPE_STR(y));
  if (dtype != IG_F32) return ig_quantized_check(z, "input 4", a->z_scale, a->z_zero);
  IG_CHECK(z->dtype == IG_F32 && a->z_scale == 1 && a->z_zero == 0, IG_ERR_SHAPE,
           "input 4 is %s, expected f32 without scale and zero point, as the result",
           ig_dtype_name(z->dtype));
  return IG_OK;
}

ig_status ig_quantized_product_infer(ig_node *node, int64_t channels, const ig_shape *y) {
  const ig_quantized_attrs *a = attrs_of(node);
  const ig_value *scale = node->inputs[2], *bias = input(node, 3);
  ig_activation f;
  ig_dtype dtype;
  IG_TRY(ig_quantized_check(node->inputs[0], "input 0", a->x_scale, a->x_zero));
  IG_CHECK(node->inputs[1]->dtype == IG_I8, IG_ERR_SHAPE, "the weights must be i8, found %s",
           ig_dtype_name(node->inputs[1]->dtype));
  IG_CHECK(scale->dtype == IG_F32 && (ig_value_count(scale) == 1 ||
                                      (scale->shape.rank == 1 && scale->shape.dims[0] == channels)),
           IG_ERR_SHAPE, "the weights' scales are %s%s, expected one or [%" PRId64 "] of f32",
           ig_dtype_name(scale->dtype), IG_SHAPE_STR(&scale->shape), channels);
  IG_CHECK(!bias || (bias->dtype == IG_F32 && bias->shape.rank == 1 &&
                     bias->shape.dims[0] == channels),
           IG_ERR_SHAPE, "the bias is %s%s, expected f32[%" PRId64 "]",
           bias ? ig_dtype_name(bias->dtype) : "", bias ? IG_SHAPE_STR(&bias->shape) : "", channels);
  IG_TRY(ig_activation_parse(a->conv.activation, a->conv.activation_alpha,
                             a->conv.activation_beta, &f));
  IG_TRY(ig_quantized_result(a->to, a->y_scale, a->y_zero, &dtype));
  IG_TRY(check_residual(node, dtype, y));
  return ig_infer_set(node, 0, dtype, y);
}

ig_quantized_end ig_quantized_end_of(const ig_node *node) {
  const ig_quantized_attrs *a = attrs_of(node);
  const ig_value *z = input(node, 4);
  ig_quantized_end end = {.x = ig_quantized_x(node),
                          .y = ig_quantized_y(node),
                          .by_channel = ig_value_count(node->inputs[2]) > 1};
  if (z) end.z = (ig_codes){z->dtype, a->z_scale, (int32_t)a->z_zero};
  /* Inference has checked the name. */
  ig_activation_parse(a->conv.activation, a->conv.activation_alpha, a->conv.activation_beta,
                      &end.activation);
  return end;
}

const void *ig_quantized_in(const ig_call *call, int i) {
  return input(call->node, i) ? call->in[i] : NULL;
}

int ig_quantized_inplace(const ig_node *node, int output) {
  return output == 0 && input(node, 4) ? 4 : -1;
}

size_t ig_quantized_sums(const ig_node *node) {
  return (size_t)ig_value_count(node->outputs[0]) * sizeof(int32_t);
}

const char *ig_quantized_reject_onednn(const ig_node *node) {
  if (!ig_dnn_quantizes()) return "no instructions for products of bytes here";
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i] && ig_value_count(node->inputs[i]) == 0) return "an operand is empty";
  }
  return ig_value_count(node->outputs[0]) == 0 ? "the result is empty" : NULL;
}

ig_status ig_quantized_known(const ig_call *call) {
  bool known = call->in[1] && call->in[2] && (!input(call->node, 3) || call->in[3]);
  IG_CHECK(known, IG_ERR_UNSUPPORTED, "the weights, their scales or the bias are not fixed");
  return IG_OK;
}

ig_status ig_quantized_prepared(ig_call *call, ig_status created, void *dnn) {
  IG_TRY(created);
  call->state = dnn;
  call->packed = 1u << 2 | 1u << 3;
  if (ig_dnn_keeps(dnn, 2)) call->packed |= 1u << 1;
  call->workspace_size = ig_dnn_workspace(dnn);
  return IG_OK;
}

ig_status ig_quantized_run_onednn(const ig_call *call) {
  const void *z = ig_quantized_in(call, 4);
  void *y = call->out[0];
  if (z && z != y) memcpy(y, z, ig_value_storage(call->node->outputs[0]));
  const void *operands[] = {call->in[0], y};
  return ig_dnn_run(call->state, operands, call->workspace);
}
