/* ConvInteger: the convolution of 8-bit integers in 32 bits, with a zero point of the input and one, or
 * one an output channel, of the filter. What pads the input is its zero point. */
#include "engine/ops/integer_convolution.h"

const ig_integer_operands ig_conv_integer_operands = {.a = 0, .b = 1, .a_zero = 2, .b_zero = 3};

static ig_status infer(ig_node *node) {
  ig_shape y;
  IG_TRY(ig_integer_conv_shape(node, &ig_conv_integer_operands, &y));
  return ig_infer_set(node, 0, IG_I32, &y);
}

static ig_status run(const ig_call *call) {
  ig_conv_integer spec;
  ig_conv_integer_in in;
  IG_TRY(ig_integer_conv_gather(call, &ig_conv_integer_operands, &spec, &in));
  ig_cpu_conv_integer_reference(&spec, &in, call->out[0]);
  return IG_OK;
}

static const char *reject_onednn(const ig_node *node) {
  return ig_integer_conv_reject_onednn(node, &ig_conv_integer_operands);
}

static ig_status prepare_onednn(ig_call *call) {
  return ig_integer_conv_prepare_onednn(call, &ig_conv_integer_operands);
}

static ig_status run_onednn(const ig_call *call) {
  return ig_integer_conv_run_onednn(call, &ig_conv_integer_operands, call->out[0], call->workspace);
}

static const ig_impl impls[] = {
    {.name = "onednn",
     .reject = reject_onednn,
     .prepare = prepare_onednn,
     .release = ig_conv_release,
     .run = run_onednn},
    {.name = "volume", .reject = ig_conv_reject_volume, .run = run},
    {.name = "reference", .reject = ig_integer_conv_reject, .run = run},
    {0},
};

const ig_op ig_op_conv_integer = {
    .name = "ConvInteger",
    .since = 10,
    .n_in = {2, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT,
    .rows_in = 1u << 1,
    .attrs = ig_integer_conv_attrs,
    .attrs_size = sizeof(ig_conv_attrs),
    .infer = infer,
    .cost = ig_integer_conv_cost,
    .impls = impls,
};
