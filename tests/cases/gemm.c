/* Cases of Gemm: transposes, scales, and every way in which C broadcasts. */
#include "product_reference.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  product_reference(in, node->n_inputs, out, ig_attr_int_of(node, "transA", 0),
                    ig_attr_int_of(node, "transB", 0), ig_attr_float_of(node, "alpha", 1),
                    ig_attr_float_of(node, "beta", 1));
}

#define ATTR(n, value)                                                                             \
  { .name = (n), .type = IG_ATTR_INT, .i = (value) }
#define SCALE(n, value)                                                                            \
  { .name = (n), .type = IG_ATTR_FLOAT, .f = (value) }
#define TRANS_A ATTR("transA", 1)
#define TRANS_B ATTR("transB", 1)

static const ig_op_case cases[] = {
    {.name = "plain", .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3})}},
    {.name = "bias", .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3}), MATRIX(1, {3})}},
    {.name = "linear layer",
     .inputs = {MATRIX(2, {33, 40}), MATRIX(2, {24, 40}), MATRIX(1, {24})},
     .n_attrs = 1,
     .attrs = {TRANS_B}},
    {.name = "one sample",
     .inputs = {MATRIX(2, {1, 67}), MATRIX(2, {24, 67}), MATRIX(1, {24})},
     .n_attrs = 1,
     .attrs = {TRANS_B}},
    {.name = "few samples, full C",
     .inputs = {MATRIX(2, {3, 100}), MATRIX(2, {24, 100}), MATRIX(2, {3, 24})},
     .n_attrs = 3,
     .attrs = {TRANS_B, SCALE("alpha", 0.5f), SCALE("beta", -2)}},
    {.name = "A transposed",
     .inputs = {MATRIX(2, {7, 5}), MATRIX(2, {7, 3}), MATRIX(2, {1, 3})},
     .n_attrs = 1,
     .attrs = {TRANS_A}},
    {.name = "both transposed",
     .inputs = {MATRIX(2, {7, 5}), MATRIX(2, {3, 7}), MATRIX(2, {5, 1})},
     .n_attrs = 2,
     .attrs = {TRANS_A, TRANS_B}},
    {.name = "scales",
     .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3}), MATRIX(2, {5, 3})},
     .n_attrs = 2,
     .attrs = {SCALE("alpha", 1.5f), SCALE("beta", 0.25f)}},
    {.name = "scaled bias",
     .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3}), MATRIX(1, {3})},
     .n_attrs = 1,
     .attrs = {SCALE("beta", 3)}},
    {.name = "scaled product",
     .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3}), MATRIX(1, {3})},
     .n_attrs = 1,
     .attrs = {SCALE("alpha", -1)}},
    {.name = "C counts for nothing",
     .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3}), MATRIX(1, {3})},
     .n_attrs = 1,
     .attrs = {SCALE("beta", 0)}},
    {.name = "scalar C", .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3}), MATRIX(0, {0})}},
    {.name = "scale without C",
     .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3})},
     .n_attrs = 1,
     .attrs = {SCALE("alpha", 2)}},
    {.name = "i32 with an addend",
     .inputs = {{.dtype = IG_I32, .shape = {2, {3, 4}}, .fill = IG_FILL_INT, .low = -1000, .high = 1000},
                {.dtype = IG_I32, .shape = {2, {4, 2}}, .fill = IG_FILL_INT, .low = -1000, .high = 1000},
                {.dtype = IG_I32, .shape = {1, {2}}, .fill = IG_FILL_INT, .low = -9, .high = 9}}},
    {.name = "u64",
     .inputs = {{.dtype = IG_U64, .shape = {2, {3, 4}}, .fill = IG_FILL_INT, .low = 0, .high = 1000},
                {.dtype = IG_U64, .shape = {2, {4, 2}}, .fill = IG_FILL_INT, .low = 0, .high = 1000}}},
};

const ig_op_cases ig_cases_gemm = {
    .op = "Gemm", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
