/* ingot.WeightOnlyMatMul: activation(x W + bias) where W is (codes * scales) of i8 or i4, [K, N], or [N, K]
 * with trans_b. Scales are one number, one for each column, or with block_size one for each block along K of
 * each column. x_block is 0 for products of f32; otherwise x is rounded to i8 in stretches of so many
 * numbers, each by its largest magnitude, so that products are of integers: faster where many rows are
 * multiplied, and what it loses is for the graph to say, not for an implementation. */
#include "engine/ops/activation.h"
#include "engine/ops/narrow_product.h"

typedef struct weight_only_attrs {
  int64_t trans_b, block_size, x_block;
  const char *activation; /* see activation.h */
  float activation_alpha, activation_beta;
} weight_only_attrs;

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(weight_only_attrs, trans_b, 0),
    IG_FIELD_INT(weight_only_attrs, block_size, 0),
    IG_FIELD_INT(weight_only_attrs, x_block, 0),
    IG_FIELD_STRING(weight_only_attrs, activation, ""),
    IG_FIELD_FLOAT(weight_only_attrs, activation_alpha, 0),
    IG_FIELD_FLOAT(weight_only_attrs, activation_beta, 0),
    {0},
};

static ig_narrow_product read_attrs(const ig_node *node) {
  const weight_only_attrs *a = IG_ATTRS_OF(weight_only_attrs, node);
  ig_narrow_product p = {.matmul = {.transposed = a->trans_b != 0,
                                    .block = a->block_size,
                                    .x_block = a->x_block,
                                    .rows = a->x_block ? IG_NARROW_GROUPS : IG_NARROW_REAL}};
  ig_activation_parse(a->activation, a->activation_alpha, a->activation_beta, &p.activation);
  return p;
}

static ig_status infer(ig_node *node) {
  const weight_only_attrs *a = IG_ATTRS_OF(weight_only_attrs, node);
  ig_narrow_product p = read_attrs(node);
  ig_dtype codes = node->inputs[1]->dtype;
  IG_TRY(ig_activation_parse(a->activation, a->activation_alpha, a->activation_beta, &p.activation));
  IG_CHECK(codes == IG_I8 || codes == IG_I4, IG_ERR_SHAPE, "input 1 must be i8 or i4, found %s",
           ig_dtype_name(codes));
  IG_CHECK(a->block_size >= 0 && a->x_block >= 0, IG_ERR_USAGE,
           "block_size is %lld and x_block %lld, expected 0 or more", (long long)a->block_size,
           (long long)a->x_block);
  return ig_narrow_infer(node, &p);
}

IG_NARROW_FUNCTIONS(read_attrs)

const ig_op ig_op_weight_only_mat_mul = {
    .name = "ingot.WeightOnlyMatMul",
    .n_in = {3, 4},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(weight_only_attrs),
    .infer = infer,
    .cost = ig_narrow_cost,
    .impls = impls,
};
