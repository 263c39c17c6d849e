/* Gemm: alpha A' B' + beta C for matrices, C broadcast to the result. */
#include "engine/ops/product.h"

typedef struct gemm_attrs {
  float alpha, beta;
  int64_t transA, transB;
} gemm_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_FLOAT(gemm_attrs, alpha, 1),
    IG_FIELD_FLOAT(gemm_attrs, beta, 1),
    IG_FIELD_INT(gemm_attrs, transA, 0),
    IG_FIELD_INT(gemm_attrs, transB, 0),
    {0},
};

ig_product ig_product_of_gemm(const ig_node *node) {
  const gemm_attrs *a = IG_ATTRS_OF(gemm_attrs, node);
  return (ig_product){.trans_a = a->transA != 0,
                      .trans_b = a->transB != 0,
                      .alpha = a->alpha,
                      .beta = a->beta,
                      .activation = ""};
}

static ig_status infer(ig_node *node) {
  ig_product p = ig_product_of_gemm(node);
  const ig_shape *a = &node->inputs[0]->shape, *b = &node->inputs[1]->shape;
  IG_CHECK(a->rank == 2 && b->rank == 2, IG_ERR_SHAPE, "expected two matrices, found %s and %s",
           IG_SHAPE_STR(a), IG_SHAPE_STR(b));
  return ig_product_infer(node, &p);
}

IG_PRODUCT_FUNCTIONS(ig_product_of_gemm)

const ig_op ig_op_gemm = {
    .name = "Gemm",
    .since = 13,
    .n_in = {2, 3},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(gemm_attrs),
    .infer = infer,
    .grad = grad,
    .cost = cost,
    .impls = impls,
};
