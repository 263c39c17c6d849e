/* Cases of MatMul: NumPy's rules, and sizes around the edges of blocks. */
#include "product_reference.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  product_reference(in, node->n_inputs, out, false, false, 1, 1);
}

static const ig_op_case cases[] = {
    {.name = "matrices", .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3})}},
    {.name = "one by one", .inputs = {MATRIX(2, {1, 1}), MATRIX(2, {1, 1})}},
    {.name = "one row", .inputs = {MATRIX(2, {1, 70}), MATRIX(2, {70, 33})}},
    {.name = "one column", .inputs = {MATRIX(2, {33, 70}), MATRIX(2, {70, 1})}},
    {.name = "odd sizes", .inputs = {MATRIX(2, {37, 61}), MATRIX(2, {61, 29})}},
    {.name = "several tiles", .inputs = {MATRIX(2, {66, 40}), MATRIX(2, {40, 131})}},
    {.name = "batch", .inputs = {MATRIX(3, {3, 4, 5}), MATRIX(3, {3, 5, 6})}},
    {.name = "two batch dims", .inputs = {MATRIX(4, {2, 3, 4, 5}), MATRIX(4, {2, 3, 5, 6})}},
    {.name = "shared right", .inputs = {MATRIX(3, {3, 4, 5}), MATRIX(2, {5, 6})}},
    {.name = "shared left", .inputs = {MATRIX(2, {4, 5}), MATRIX(3, {3, 5, 6})}},
    {.name = "batch repeats", .inputs = {MATRIX(4, {2, 1, 4, 5}), MATRIX(3, {3, 5, 6})}},
    {.name = "vectors", .inputs = {MATRIX(1, {19}), MATRIX(1, {19})}},
    {.name = "vector on the left", .inputs = {MATRIX(1, {19}), MATRIX(2, {19, 5})}},
    {.name = "vector on the right", .inputs = {MATRIX(2, {5, 19}), MATRIX(1, {19})}},
    {.name = "vector and batch", .inputs = {MATRIX(1, {6}), MATRIX(3, {3, 6, 5})}},
    {.name = "batch and vector", .inputs = {MATRIX(3, {3, 5, 6}), MATRIX(1, {6})}},
    {.name = "f64",
     .inputs = {{.dtype = IG_F64, .shape = {2, {3, 4}}}, {.dtype = IG_F64, .shape = {2, {4, 2}}}}},
    {.name = "no rows", .inputs = {MATRIX(2, {0, 4}), MATRIX(2, {4, 2})}},
    {.name = "nothing to sum", .inputs = {MATRIX(2, {3, 0}), MATRIX(2, {0, 2})}},
    {.name = "i32",
     .inputs = {{.dtype = IG_I32, .shape = {2, {3, 4}}, .fill = IG_FILL_INT, .low = -1000, .high = 1000},
                {.dtype = IG_I32, .shape = {2, {4, 2}}, .fill = IG_FILL_INT, .low = -1000, .high = 1000}}},
    {.name = "i64",
     .inputs = {{.dtype = IG_I64, .shape = {2, {3, 4}}, .fill = IG_FILL_INT, .low = -1000, .high = 1000},
                {.dtype = IG_I64, .shape = {2, {4, 2}}, .fill = IG_FILL_INT, .low = -1000, .high = 1000}}},
    {.name = "u32",
     .inputs = {{.dtype = IG_U32, .shape = {2, {3, 4}}, .fill = IG_FILL_INT, .low = 0, .high = 1000},
                {.dtype = IG_U32, .shape = {2, {4, 2}}, .fill = IG_FILL_INT, .low = 0, .high = 1000}}},
    {.name = "u64",
     .inputs = {{.dtype = IG_U64, .shape = {2, {3, 4}}, .fill = IG_FILL_INT, .low = 0, .high = 1000},
                {.dtype = IG_U64, .shape = {2, {4, 2}}, .fill = IG_FILL_INT, .low = 0, .high = 1000}}},
};

const ig_op_cases ig_cases_mat_mul = {
    .op = "MatMul", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
