/* QLinearConv: the convolution of quantized tensors, quantized: ConvInteger's sums plus an i32 bias, times
 * (x_scale w_scale) / y_scale in f32, rounded half to even, saturated from y's zero point. Inputs: x,
 * its scale and zero point, w, its scales and zero points (one or one an output channel), y's scale and
 * zero point, the bias. */
#include "engine/ops/integer_convolution.h"

#include <inttypes.h>

static ig_status infer(ig_node *node) {
  const ig_value *bias = node->n_inputs > 8 ? node->inputs[8] : NULL;
  int64_t channels;
  ig_shape y;
  IG_TRY(ig_integer_conv_shape(node, &ig_q_linear_mat_mul_operands, &y));
  IG_TRY(ig_q_linear_check(node));
  channels = y.dims[1];
  IG_CHECK(
      !bias || (bias->dtype == IG_I32 && bias->shape.rank == 1 && bias->shape.dims[0] == channels),
      IG_ERR_SHAPE, "the bias is %s%s, expected i32[%" PRId64 "]",
      bias ? ig_dtype_name(bias->dtype) : "", bias ? IG_SHAPE_STR(&bias->shape) : "", channels);
  return ig_infer_set(node, 0, node->inputs[7]->dtype, &y);
}

/* The sums, and after them what oneDNN needs. */
static size_t workspace(const ig_node *node) {
  return (size_t)ig_value_count(node->outputs[0]) * sizeof(int32_t);
}

/* Channels are rows of the sums in row-major memory, and columns in channels last. */
static void requantize(const ig_call *call, const ig_conv_integer *spec, const int32_t *sums) {
  const int64_t *d = spec->conv.dst;
  const ig_conv_requantize y = ig_integer_conv_requantize(call);
  bool last = spec->conv.dst_layout == IG_LAYOUT_NHWC;
  ig_requantize r = {.scale = y.scale, .whole = y.whole};
  r.m = d[1];
  r.rows = last ? d[0] * d[2] * d[3] : d[0] * d[1];
  r.n = last ? d[1] : d[2] * d[3] * IG_MAX(spec->conv.depth.dst, 1);
  r.by_row = spec->by_channel && !last;
  r.by_column = spec->by_channel && last;
  ig_cpu_requantize(&r, sums, last ? y.src_scale : y.weight_scale,
                    last ? y.weight_scale : y.src_scale, y.y_scale, y.y_zero, call->out[0]);
}

static ig_status run(const ig_call *call) {
  ig_conv_integer spec;
  ig_conv_integer_in in;
  IG_TRY(ig_integer_conv_gather(call, &ig_q_linear_mat_mul_operands, &spec, &in));
  ig_cpu_conv_integer_reference(&spec, &in, call->workspace);
  requantize(call, &spec, call->workspace);
  return IG_OK;
}

static const char *reject_onednn(const ig_node *node) {
  return ig_integer_conv_reject_onednn(node, &ig_q_linear_mat_mul_operands);
}

static ig_status prepare_onednn(ig_call *call) {
  return ig_integer_conv_prepare_onednn(call, &ig_q_linear_mat_mul_operands);
}

static ig_status run_onednn(const ig_call *call) {
  ig_conv_integer spec;
  size_t sums = (workspace(call->node) + IG_ALIGNMENT - 1) / IG_ALIGNMENT * IG_ALIGNMENT;
  IG_TRY(ig_integer_conv_describe(call->node, &ig_q_linear_mat_mul_operands, &spec));
  IG_TRY(ig_integer_conv_run_onednn(call, &ig_q_linear_mat_mul_operands, call->workspace,
                                    (char *)call->workspace + sums));
  requantize(call, &spec, call->workspace);
  return IG_OK;
}

static const ig_impl impls[] = {
    {.name = "onednn",
     .reject = reject_onednn,
     .workspace = workspace,
     .prepare = prepare_onednn,
     .release = ig_conv_release,
     .run = run_onednn},
    {.name = "volume", .reject = ig_conv_reject_volume, .workspace = workspace, .run = run},
    {.name = "reference", .reject = ig_integer_conv_reject, .workspace = workspace, .run = run},
    {0},
};

const ig_op ig_op_q_linear_conv = {
    .name = "QLinearConv",
    .since = 10,
    .n_in = {8, 9},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .rows_in = 0x1fe, /* all but x */
    .attrs = ig_integer_conv_attrs,
    .attrs_size = sizeof(ig_conv_attrs),
    .infer = infer,
    .cost = ig_integer_conv_cost,
    .settings = 1 << 1 | 1 << 4 | 1 << 6,
    .impls = impls,
};
