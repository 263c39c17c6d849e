/* ingot.DynamicQuantizedMatMul: activation(x W + bias) of f32 where x is rounded to u8 by the range of the
 * whole tensor (DynamicQuantizeLinear) and W [K, N], or [N, K] with trans_b, is i8, or u8 less w_zero, with one scale or one for each
 * column: what DynamicQuantizeLinear, MatMulInteger, Cast, Mul and Add say in five sweeps. */
#include "engine/ops/activation.h"
#include "engine/ops/narrow_product.h"

typedef struct dynamic_attrs {
  int64_t trans_b, w_zero;
  const char *activation; /* see activation.h */
  float activation_alpha, activation_beta;
} dynamic_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(dynamic_attrs, trans_b, 0),
    IG_FIELD_INT(dynamic_attrs, w_zero, 0),
    IG_FIELD_STRING(dynamic_attrs, activation, ""),
    IG_FIELD_FLOAT(dynamic_attrs, activation_alpha, 0),
    IG_FIELD_FLOAT(dynamic_attrs, activation_beta, 0),
    {0},
};

static ig_narrow_product read_attrs(const ig_node *node) {
  const dynamic_attrs *a = IG_ATTRS_OF(dynamic_attrs, node);
  ig_narrow_product p = {.matmul = {.transposed = a->trans_b != 0,
                                    .zero = (int32_t)a->w_zero,
                                    .rows = IG_NARROW_TENSOR}};
  ig_activation_parse(a->activation, a->activation_alpha, a->activation_beta, &p.activation);
  return p;
}

static ig_status infer(ig_node *node) {
  const dynamic_attrs *a = IG_ATTRS_OF(dynamic_attrs, node);
  ig_narrow_product p = read_attrs(node);
  ig_dtype codes = node->inputs[1]->dtype;
  IG_TRY(ig_activation_parse(a->activation, a->activation_alpha, a->activation_beta, &p.activation));
  IG_CHECK(node->inputs[0]->dtype == IG_F32, IG_ERR_SHAPE, "input 0 must be f32, found %s",
           ig_dtype_name(node->inputs[0]->dtype));
  IG_CHECK(codes == IG_I8 || codes == IG_U8, IG_ERR_SHAPE, "input 1 must be i8 or u8, found %s",
           ig_dtype_name(codes));
  IG_CHECK(a->w_zero >= 0 && a->w_zero <= (codes == IG_U8 ? 255 : 0), IG_ERR_USAGE,
           "w_zero is %lld with codes of %s", (long long)a->w_zero, ig_dtype_name(codes));
  return ig_narrow_infer(node, &p);
}

IG_NARROW_FUNCTIONS(read_attrs)

const ig_op ig_op_dynamic_quantized_mat_mul = {
    .name = "ingot.DynamicQuantizedMatMul",
    .n_in = {3, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(dynamic_attrs),
    .infer = infer,
    .cost = ig_narrow_cost,
    .impls = impls,
};
