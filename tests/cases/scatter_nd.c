/* Cases of ScatterND. */
#include "scatter_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int depth = (int)in[1].shape.dims[in[1].shape.rank - 1];
  int64_t inner = ig_shape_span(&in->shape, depth, in->shape.rank);
  memcpy(out->data, in->data, (size_t)count_of(in) * sizeof(double));
  for (int64_t i = 0; i < count_of(&in[2]); i++) {
    int64_t first = 0;
    for (int k = 0; k < depth; k++) {
      int64_t index = (int64_t)in[1].data[i / inner * depth + k], dim = in->shape.dims[k];
      first = first * dim + (index < 0 ? index + dim : index);
    }
    double *to = &out->data[first * inner + i % inner];
    *to = joined(node, *to, in[2].data[i]);
  }
}

#define ROWS                                                                                       \
  {                                                                                                \
    .dtype = IG_I64, .shape = DIMS(3, 1), .fill = IG_FILL_VALUES,                                  \
    .values = (const double[]){2, 0, -2}, .n_values = 3                                            \
  } /* 2 twice */
#define PLACES                                                                                     \
  {                                                                                                \
    .dtype = IG_I64, .shape = DIMS(2, 2), .fill = IG_FILL_VALUES,                                  \
    .values = (const double[]){2, 0, -1, 1}, .n_values = 4                                         \
  }

static const ig_op_case cases[] = {
    {.name = "elements", .inputs = {NORMAL(IG_F32, 4, 3), PLACES, NORMAL(IG_F32, 2)}},
    {.name = "slices", .inputs = {NORMAL(IG_F64, 4, 3, 2), PLACES, NORMAL(IG_F64, 2, 2)}},
    {.name = "add", .inputs = {NORMAL(IG_F32, 4, 3), ROWS, NORMAL(IG_F32, 3, 3)}, HOW("add")},
    {.name = "mul", .inputs = {APART(IG_F32, 4, 3), ROWS, APART(IG_F32, 3, 3)}, HOW("mul")},
    {.name = "min", .inputs = {APART(IG_F32, 4, 3), ROWS, APART(IG_F32, 3, 3)}, HOW("min")},
    {.name = "max", .inputs = {APART(IG_F32, 4, 3), ROWS, APART(IG_F32, 3, 3)}, HOW("max")},
    {.name = "i64",
     .inputs = {INTS(IG_I64, -9, 9, 4, 3), ROWS, INTS(IG_I64, -9, 9, 3, 3)},
     HOW("add")},
    {.name = "bool",
     .inputs = {INTS(IG_BOOL, 0, 1, 4, 3), ROWS, INTS(IG_BOOL, 0, 1, 3, 3)},
     HOW("max")},
    {.name = "nothing",
     .inputs = {NORMAL(IG_F32, 4, 3), INTS(IG_I64, 0, 3, 0, 1), NORMAL(IG_F32, 0, 3)}},
};

const ig_op_cases ig_cases_scatter_nd = {
    .op = "ScatterND", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
