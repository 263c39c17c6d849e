/* Cases of ScatterElements. */
#include "scatter_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in->shape);
  int64_t at[IG_MAX_RANK];
  memcpy(out->data, in->data, (size_t)count_of(in) * sizeof(double));
  for (int64_t i = 0; i < count_of(&in[1]); i++) {
    index_of(&in[1].shape, i, at);
    at[axis] = (int64_t)in[1].data[i];
    if (at[axis] < 0) at[axis] += in->shape.dims[axis];
    double *to = &out->data[offset_of(&in->shape, at)];
    *to = joined(node, *to, in[2].data[i]);
  }
}

#define DATA NORMAL(IG_F32, 5, 4)
#define TWICE LIST_AS(IG_I64, false, 3, 0, 3, -2) /* place 3 more than once */
#define HOW_ALONG(how, axis)                                                                       \
  .n_attrs = 2, .attrs = {A_STRING("reduction", how), A_INT("axis", axis)}

static const ig_op_case cases[] = {
    {.name = "rows",
     .inputs = {DATA,
                {.dtype = IG_I64,
                 .shape = DIMS(2, 3),
                 .fill = IG_FILL_VALUES,
                 .values = (const double[]){0, -1, 2, 3, 1, 4},
                 .n_values = 6},
                NORMAL(IG_F32, 2, 3)}},
    {.name = "columns",
     .inputs = {DATA,
                {.dtype = IG_I32,
                 .shape = DIMS(3, 2),
                 .fill = IG_FILL_VALUES,
                 .values = (const double[]){0, 3, 1, -2, 2, 0},
                 .n_values = 6},
                NORMAL(IG_F32, 3, 2)},
     .n_attrs = 1,
     .attrs = {A_INT("axis", -1)}},
    {.name = "add", .inputs = {NORMAL(IG_F32, 5), TWICE, NORMAL(IG_F32, 4)}, HOW("add")},
    {.name = "add along the middle",
     .inputs = {NORMAL(IG_F64, 3, 5, 2), INTS(IG_I64, -5, 4, 2, 8, 2), NORMAL(IG_F64, 2, 8, 2)},
     HOW_ALONG("add", 1)},
    {.name = "mul", .inputs = {APART(IG_F32, 5), TWICE, APART(IG_F32, 4)}, HOW("mul")},
    {.name = "min", .inputs = {APART(IG_F32, 5), TWICE, APART(IG_F32, 4)}, HOW("min")},
    {.name = "max", .inputs = {APART(IG_F64, 5), TWICE, APART(IG_F64, 4)}, HOW("max")},
    {.name = "i32", .inputs = {INTS(IG_I32, -9, 9, 5), TWICE, INTS(IG_I32, -9, 9, 4)}, HOW("mul")},
    {.name = "u8", .inputs = {INTS(IG_U8, 0, 9, 5), TWICE, INTS(IG_U8, 0, 9, 4)}, HOW("max")},
    {.name = "i64", .inputs = {INTS(IG_I64, -9, 9, 5), TWICE, INTS(IG_I64, -9, 9, 4)}, HOW("min")},
    {.name = "bool",
     .inputs = {INTS(IG_BOOL, 0, 1, 5), LIST_AS(IG_I64, false, 3, 0), INTS(IG_BOOL, 0, 1, 2)}},
    {.name = "nothing", .inputs = {DATA, INTS(IG_I64, 0, 4, 0, 3), NORMAL(IG_F32, 0, 3)}},
};

const ig_op_cases ig_cases_scatter_elements = {
    .op = "ScatterElements", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
