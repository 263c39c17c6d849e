/* ingot.QuantizedConv: a convolution of 8-bit codes with i8 weights and all that follows it:
 *   y = f(x_scale w_scale[c] sum (x - x_zero) w + bias[c] + (z - z_zero) z_scale),
 * as codes (rounded half to even, saturated from y_zero) or f32. Pads are x_zero. */
#include "engine/ops/integer_convolution.h"
#include "engine/ops/quantized.h"
#include "kernels/lib/onednn.h"

/* No zero points among the inputs: x's is an attribute, the weights have none. */
static const ig_integer_operands operands = {.a = 0, .b = 1, .a_zero = 5, .b_zero = 5};

static const ig_attr_field attrs[] = {
    IG_WINDOW_FIELDS(ig_conv_attrs),
    IG_FIELD_INT(ig_conv_attrs, group, 1),
    IG_QUANTIZED_FIELDS,
    IG_QUANTIZED_SECOND_FIELDS,
    IG_QUANTIZED_ACTIVATION_FIELDS,
    {0},
};

static ig_status infer(ig_node *node) {
  ig_shape y;
  IG_TRY(ig_integer_conv_shape(node, &operands, &y));
  return ig_quantized_product_infer(node, y.dims[1], &y);
}

static ig_cost cost(const ig_node *node) {
  return ig_conv_cost(node, node->outputs[0], &node->inputs[1]->shape);
}

/* --- by definition ---------------------------------------------------------------------------- */

static const char *reject_layouts(const ig_node *node) {
  const ig_value *z = node->n_inputs > 4 ? node->inputs[4] : NULL;
  if (z && z->layout != node->outputs[0]->layout) return "the residual has another layout";
  return ig_integer_conv_reject(node);
}

static ig_status run_reference(const ig_call *call) {
  const ig_node *node = call->node;
  const ig_quantized_end end = ig_quantized_end_of(node);
  ig_conv_integer spec;
  IG_TRY(ig_integer_conv_describe(node, &operands, &spec));
  uint8_t zero = (uint8_t)end.x.zero; /* of either type */
  const ig_conv_integer_in in = {
      .src = call->in[0], .weights = call->in[1], .src_zero = &zero};
  ig_cpu_conv_integer_reference(&spec, &in, call->workspace);
  const int64_t *d = spec.conv.dst;
  int64_t area = d[2] * d[3] * IG_MAX(spec.conv.depth.dst, 1);
  bool last = spec.conv.dst_layout == IG_LAYOUT_NHWC;
  ig_cpu_quantized_end(&end, last ? d[0] * area : d[0], d[1], last ? 1 : area, call->workspace,
                       call->in[2], ig_quantized_in(call, 3), ig_quantized_in(call, 4),
                       call->out[0]);
  return IG_OK;
}

/* --- oneDNN ----------------------------------------------------------------------------------- */

static const char *reject_onednn(const ig_node *node) {
  const char *reason = ig_quantized_reject_onednn(node);
  return reason ? reason : reject_layouts(node);
}

static ig_status prepare_onednn(ig_call *call) {
  const ig_quantized_end end = ig_quantized_end_of(call->node);
  ig_conv_integer spec;
  ig_dnn *dnn = NULL;
  IG_TRY(ig_quantized_known(call));
  IG_TRY(ig_integer_conv_describe(call->node, &operands, &spec));
  ig_status status = ig_dnn_quantized_conv_create(&spec.conv, &end, call->in[1], call->in[2],
                                                  ig_quantized_in(call, 3), &dnn);
  return ig_quantized_prepared(call, status, dnn);
}

static const ig_impl impls[] = {
    {.name = "onednn",
     .reject = reject_onednn,
     .prepare = prepare_onednn,
     .release = ig_conv_release,
     .run = ig_quantized_run_onednn},
    {.name = "volume",
     .reject = ig_conv_reject_volume,
     .workspace = ig_quantized_sums,
     .run = run_reference},
    {.name = "reference",
     .reject = reject_layouts,
     .workspace = ig_quantized_sums,
     .run = run_reference},
    {0},
};

const ig_op ig_op_quantized_conv = {
    .name = "ingot.QuantizedConv",
    .n_in = {3, 5},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT | IG_OP_INPLACE,
    .rows_in = 0xe, /* all but x and the residual */
    .attrs = attrs,
    .attrs_size = sizeof(ig_quantized_attrs),
    .infer = infer,
    .cost = cost,
    .inplace = ig_quantized_inplace,
    .impls = impls,
};
