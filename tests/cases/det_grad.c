/* Cases of ingot.DetGrad: cofactors as signed minors. */
#include "minors.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int n = (int)in[1].shape.dims[in[1].shape.rank - 1];
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t b = i / n / n;
    int row = (int)(i / n % n), column = (int)(i % n);
    double minor = minor_of(in[1].data + b * n * n, n, 1u << row, 1u << column);
    out->data[i] = in[0].data[b] * ((row + column) % 2 ? -minor : minor);
  }
}

#define NO_GRAD .no_grad_check = true, .why = "it is a gradient"
#define MATRIX(n, ...)                                                                             \
  {                                                                                                \
    .dtype = IG_F64, .shape = DIMS(1, n, n), .fill = IG_FILL_VALUES,                               \
    .values = (const double[]){__VA_ARGS__}, .n_values = (n) * (n)                                 \
  }

static const ig_op_case cases[] = {
    {.name = "batch", .inputs = {NORMAL(IG_F32, 2), NORMAL(IG_F32, 2, 3, 3)}, NO_GRAD},
    {.name = "five", .inputs = {NORMAL(IG_F64, 2), NORMAL(IG_F64, 2, 5, 5)}, NO_GRAD},
    {.name = "one", .inputs = {NORMAL(IG_F32, 2), NORMAL(IG_F32, 2, 1, 1)}, NO_GRAD},
    {.name = "of rank 2",
     .inputs = {NORMAL(IG_F64, 1), MATRIX(3, 1, 2, 3, 2, 4, 6, 0, 1, 1)},
     NO_GRAD},
    {.name = "of rank 1",
     .inputs = {NORMAL(IG_F64, 1), MATRIX(3, 1, 2, 3, 2, 4, 6, 3, 6, 9)},
     NO_GRAD},
    {.name = "a row of zeros",
     .inputs = {NORMAL(IG_F64, 1), MATRIX(3, 1, 2, 3, 0, 0, 0, 3, 1, 9)},
     NO_GRAD},
    {.name = "zero", .inputs = {NORMAL(IG_F64, 1), MATRIX(2, 0, 0, 0, 0)}, NO_GRAD},
};

const ig_op_cases ig_cases_det_grad = {
    .op = "ingot.DetGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
