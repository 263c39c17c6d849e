/* ingot.FusedMatMul: activation(alpha * A' B' + C): a batched matrix product with operands read as
 * transposed where trans_a and trans_b say so, C broadcast to the result. Gradients of products are
 * made of it, and passes fuse into it. */
#include "engine/ops/product.h"

typedef struct fused_mat_mul_attrs {
  int64_t trans_a, trans_b;
  float alpha;
  const char *activation; /* see activation.h */
  float activation_alpha, activation_beta;
} fused_mat_mul_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(fused_mat_mul_attrs, trans_a, 0),
    IG_FIELD_INT(fused_mat_mul_attrs, trans_b, 0),
    IG_FIELD_FLOAT(fused_mat_mul_attrs, alpha, 1),
    IG_FIELD_STRING(fused_mat_mul_attrs, activation, ""),
    IG_FIELD_FLOAT(fused_mat_mul_attrs, activation_alpha, 0),
    IG_FIELD_FLOAT(fused_mat_mul_attrs, activation_beta, 0),
    {0},
};

ig_product ig_product_of_fused_mat_mul(const ig_node *node) {
  const fused_mat_mul_attrs *a = IG_ATTRS_OF(fused_mat_mul_attrs, node);
  return (ig_product){.trans_a = a->trans_a != 0,
                      .trans_b = a->trans_b != 0,
                      .alpha = a->alpha,
                      .beta = 1,
                      .activation = a->activation,
                      .activation_alpha = a->activation_alpha,
                      .activation_beta = a->activation_beta};
}

static ig_status infer(ig_node *node) {
  ig_product p = ig_product_of_fused_mat_mul(node);
  return ig_product_infer(node, &p);
}

IG_PRODUCT_FUNCTIONS(ig_product_of_fused_mat_mul)

const ig_op ig_op_fused_mat_mul = {
    .name = "ingot.FusedMatMul",
    .n_in = {2, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(fused_mat_mul_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
