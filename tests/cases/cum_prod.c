/* Cases of CumProd. */
#include "cumulative_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *shape = &in->shape;
  int axis = axis_of((int64_t)in[1].data[0], shape);
  for (int64_t i = 0; i < count_of(out); i++) {
    double total = 1;
    for (int64_t j = 0; j < shape->dims[axis]; j++) {
      if (takes_part(node, place_of(shape, axis, i), j))
        total *= in->data[beside(shape, axis, i, j)];
    }
    out->data[i] = total;
  }
}

static const ig_op_case cases[] = {
    {.name = "row", .inputs = {NORMAL(IG_F32, 7), ALONG(0)}},
    {.name = "exclusive", .inputs = {NORMAL(IG_F32, 3, 5), ALONG(-1)}, WAYS(1, 0)},
    {.name = "reverse", .inputs = {NORMAL(IG_F32, 3, 5, 2), ALONG(1)}, WAYS(0, 1)},
    {.name = "both", .inputs = {NORMAL(IG_F64, 5, 3), LIST_AS(IG_I32, false, 0)}, WAYS(1, 1)},
    {.name = "zeros",
     .inputs = {{.dtype = IG_F32,
                 .shape = DIMS(2, 4),
                 .fill = IG_FILL_VALUES,
                 .values = (const double[]){2, 0, 3, 0, 5, 1, 0, 4},
                 .n_values = 8},
                ALONG(1)}},
    {.name = "i32", .inputs = {INTS(IG_I32, -5, 5, 2, 6), ALONG(1)}},
    {.name = "i64", .inputs = {INTS(IG_I64, -5, 5, 6, 2), ALONG(0)}, WAYS(1, 0)},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 3, 0), ALONG(1)}},
    {.name = "threads",
     .inputs =
         {{.dtype = IG_F32, .shape = DIMS(300, 120), .fill = IG_FILL_UNIFORM, .low = -1, .high = 1},
          ALONG(1)},
     BIG},
};

const ig_op_cases ig_cases_cum_prod = {
    .op = "CumProd", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
