/* Cases of Gather. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in[0].shape);
  int64_t rows = in[0].shape.dims[axis], n = count_of(&in[1]);
  int64_t inner = ig_shape_span(&in[0].shape, axis + 1, in[0].shape.rank);
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t row = (int64_t)in[1].data[i / inner % n];
    if (row < 0) row += rows;
    out->data[i] = in[0].data[(i / inner / n * rows + row) * inner + i % inner];
  }
}

#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}

static const ig_op_case cases[] = {
    {.name = "embedding", .inputs = {NORMAL(IG_F32, 11, 6), INTS(IG_I64, -11, 10, 3, 5)}},
    {.name = "repeated", .inputs = {NORMAL(IG_F32, 3, 4), INTS(IG_I32, 0, 2, 20)}},
    {.name = "columns", .inputs = {NORMAL(IG_F32, 4, 7), INTS(IG_I64, 0, 6, 3)}, AXIS(1)},
    {.name = "one", .inputs = {NORMAL(IG_F32, 4, 7, 2), SCALAR_AS(IG_I64, false, -1)}, AXIS(-2)},
    {.name = "f64", .inputs = {NORMAL(IG_F64, 5, 3, 300), INTS(IG_I64, 0, 2, 4)}, AXIS(1)},
    {.name = "u8", .inputs = {INTS(IG_U8, 0, 255, 9), INTS(IG_I64, 0, 8, 2, 2)}},
    {.name = "i64", .inputs = {INTS(IG_I64, -99, 99, 9), LIST_AS(IG_I64, false, 2, 2, -9)}},
    {.name = "no index", .inputs = {NORMAL(IG_F32, 9, 2), INTS(IG_I64, 0, 8, 0)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 50, 300), INTS(IG_I64, 0, 49, 300)}, BIG},
};

const ig_op_cases ig_cases_gather = {
    .op = "Gather", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
