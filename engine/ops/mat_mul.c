/* MatMul: NumPy's matmul for float matrices, batches of them, and vectors. */
#include "engine/ops/product.h"

ig_product ig_product_of_mat_mul(const ig_node *node) {
  IG_UNUSED(node);
  return (ig_product){.alpha = 1, .beta = 1, .activation = ""};
}

static ig_status infer(ig_node *node) {
  ig_product p = ig_product_of_mat_mul(node);
  return ig_product_infer(node, &p);
}

IG_PRODUCT_FUNCTIONS(ig_product_of_mat_mul)

const ig_op ig_op_mat_mul = {
    .name = "MatMul",
    .since = 13,
    .n_in = {2, 2},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
