/* ingot.QuantizedAdd: y = f((x - x_zero) x_scale + (z - z_zero) z_scale) of two tensors of 8-bit codes of
 * one shape, as codes. */
#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/quantized.h"

static const ig_attr_field attrs[] = {
    IG_QUANTIZED_FIELDS,
    IG_QUANTIZED_SECOND_FIELDS,
    IG_QUANTIZED_ACTIVATION_FIELDS,
    {0},
};

static ig_status activation_of(const ig_node *node, ig_activation *out) {
  const ig_conv_attrs *a = &IG_ATTRS_OF(ig_quantized_attrs, node)->conv;
  return ig_activation_parse(a->activation, a->activation_alpha, a->activation_beta, out);
}

static ig_status infer(ig_node *node) {
  const ig_quantized_attrs *a = IG_ATTRS_OF(ig_quantized_attrs, node);
  const ig_value *x = node->inputs[0], *z = node->inputs[1];
  ig_activation f;
  ig_dtype dtype;
  IG_TRY(ig_quantized_check(x, "input 0", a->x_scale, a->x_zero));
  IG_TRY(ig_quantized_check(z, "input 1", a->z_scale, a->z_zero));
  IG_CHECK(ig_shape_equal(&x->shape, &z->shape), IG_ERR_SHAPE, "the operands %s and %s differ",
           IG_SHAPE_STR(&x->shape), IG_SHAPE_STR(&z->shape));
  IG_TRY(activation_of(node, &f));
  IG_TRY(ig_quantized_result(a->to, a->y_scale, a->y_zero, &dtype));
  IG_CHECK(dtype != IG_F32, IG_ERR_USAGE, "attribute to must be that of i8 or u8");
  return ig_infer_set(node, 0, dtype, &x->shape);
}

typedef void add_kernel(const ig_codes *a, const ig_codes *b, const ig_codes *y,
                        const ig_activation *f, int64_t count, const void *a_codes,
                        const void *b_codes, void *y_codes);

static ig_status run(const ig_call *call, add_kernel *kernel) {
  const ig_node *node = call->node;
  const ig_quantized_attrs *a = IG_ATTRS_OF(ig_quantized_attrs, node);
  const ig_codes x = ig_quantized_x(node), y = ig_quantized_y(node);
  const ig_codes z = {node->inputs[1]->dtype, a->z_scale, (int32_t)a->z_zero};
  ig_activation f;
  IG_TRY(activation_of(node, &f));
  kernel(&x, &z, &y, &f, ig_storage_count(node->outputs[0]), call->in[0], call->in[1],
         call->out[0]);
  return IG_OK;
}

static ig_status run_vector(const ig_call *call) {
  return run(call, ig_cpu_quantized_add);
}

static ig_status run_reference(const ig_call *call) {
  return run(call, ig_cpu_quantized_add_reference);
}

static const char *reject_reference(const ig_node *node) {
  for (int i = 0; i < 3; i++) {
    const ig_value *v = i < 2 ? node->inputs[i] : node->outputs[0];
    if (v->layout != node->inputs[0]->layout) return "operands differ in memory layout";
    if (v->layout == IG_LAYOUT_BLOCK16) return "blocks of channels";
  }
  return NULL;
}

static const char *reject_vector(const ig_node *node) {
  ig_activation f;
  if (activation_of(node, &f) != IG_OK) return "no such activation";
  if (f.on && f.kind != IG_UNARY_RELU && f.kind != IG_UNARY_CLIP) return "not Relu or Clip";
  return reject_reference(node);
}

static const ig_impl impls[] = {
    {.name = "vector", .reject = reject_vector, .run = run_vector},
    {.name = "reference", .reject = reject_reference, .run = run_reference},
    {0},
};

const ig_op ig_op_quantized_add = {
    .name = "ingot.QuantizedAdd",
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE | IG_OP_LAYOUT | IG_OP_INPLACE,
    .attrs = attrs,
    .attrs_size = sizeof(ig_quantized_attrs),
    .infer = infer,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
