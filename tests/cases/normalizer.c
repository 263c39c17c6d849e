/* Cases of ai.onnx.ml.Normalizer. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t n = count_of(in), columns = in->shape.dims[in->shape.rank - 1];
  for (int64_t i = 0; i < n; i++) {
    const double *row = in->data + i / columns * columns;
    double most = 0, sum = 0, squares = 0;
    for (int64_t c = 0; c < columns; c++) {
      most = fmax(most, fabs(row[c]));
      sum += fabs(row[c]);
      squares += row[c] * row[c];
    }
    double by = attr_is(node, "norm", "MAX") ? most : attr_is(node, "norm", "L1") ? sum : sqrt(squares);
    out->data[i] = by == 0 ? in->data[i] : in->data[i] / by;
  }
}

#define NORM(name) .n_attrs = 1, .attrs = {A_STRING("norm", name)}

static const ig_op_case cases[] = {
    {.name = "default", .inputs = {FIXED(IG_F32, 4, 5)}},
    {.name = "L1", .inputs = {FIXED(IG_F32, 4, 5)}, NORM("L1")},
    {.name = "L2", .inputs = {FIXED(IG_F32, 4, 5)}, NORM("L2")},
    {.name = "one row", .inputs = {FIXED(IG_F64, 5)}, NORM("L2")},
    {.name = "i64 and zeros", .inputs = {INTS(IG_I64, 0, 1, 30, 2)}, NORM("L1")},
    {.name = "empty", .inputs = {FIXED(IG_F32, 3, 0)}},
};

const ig_op_cases ig_cases_normalizer = {.op = "ai.onnx.ml.Normalizer",
                                   .reference = reference,
                                   .n_cases = IG_COUNT(cases),
                                   .cases = cases};
