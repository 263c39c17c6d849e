/* Cases of Det. */
#include "minors.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int n = (int)in->shape.dims[in->shape.rank - 1];
  for (int64_t b = 0; b < count_of(out); b++)
    out->data[b] = minor_of(in->data + b * n * n, n, 0, 0);
}

#define MATRIX(n, ...)                                                                             \
  {                                                                                                \
    .dtype = IG_F64, .shape = DIMS(n, n), .fill = IG_FILL_VALUES,                                  \
    .values = (const double[]){__VA_ARGS__}, .n_values = (n) * (n)                                 \
  }

static const ig_op_case cases[] = {
    {.name = "two", .inputs = {NORMAL(IG_F32, 2, 2)}},
    {.name = "batch", .inputs = {NORMAL(IG_F32, 2, 3, 3, 3)}},
    {.name = "five", .inputs = {NORMAL(IG_F64, 2, 5, 5)}},
    {.name = "one", .inputs = {NORMAL(IG_F32, 4, 1, 1)}},
    {.name = "nothing", .inputs = {NORMAL(IG_F32, 2, 0, 0)}},
    {.name = "swapped", .inputs = {MATRIX(3, 0, 0, 2, 0, 3, 0, 5, 0, 0)}},
    {.name = "of rank 2", .inputs = {MATRIX(3, 1, 2, 3, 2, 4, 6, 0, 1, 1)}},
    {.name = "of rank 1", .inputs = {MATRIX(3, 1, 2, 3, 2, 4, 6, 3, 6, 9)}},
};

const ig_op_cases ig_cases_det = {
    .op = "Det", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
