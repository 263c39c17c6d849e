/* Cases of OneHot. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &out->shape);
  int64_t depth = out->shape.dims[axis], at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&out->shape, i, at);
    int64_t place = at[axis];
    for (int d = axis; d < in->shape.rank; d++) at[d] = at[d + 1];
    double index = trunc(in->data[offset_of(&in->shape, at)]);
    bool here = index == (double)place || index + (double)depth == (double)place;
    out->data[i] = in[2].data[here ? 1 : 0];
  }
}

#define DEPTH(type, value) SCALAR_AS(type, true, value)
#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}

static const ig_op_case cases[] = {
    {.name = "last", .inputs = {INTS(IG_I64, -4, 3, 5), DEPTH(IG_I64, 4), NORMAL(IG_F32, 2)}},
    {.name = "first",
     .inputs = {INTS(IG_I32, 0, 3, 2, 3), DEPTH(IG_I32, 4), NORMAL(IG_F64, 2)},
     AXIS(0)},
    {.name = "middle",
     .inputs = {INTS(IG_U8, 0, 3, 2, 3), LIST_AS(IG_F32, true, 4), NORMAL(IG_F32, 2)},
     AXIS(-2)},
    {.name = "outside",
     .inputs = {INTS(IG_I64, -9, 9, 12), DEPTH(IG_I64, 3), INTS(IG_I64, -9, 9, 2)}},
    {.name = "floats", .inputs = {FIXED(IG_F32, 3, 4), DEPTH(IG_F32, 2), INTS(IG_I32, -9, 9, 2)}},
    {.name = "bool",
     .inputs = {INTS(IG_I64, 0, 2, 3), DEPTH(IG_I64, 3), LIST_AS(IG_BOOL, false, 0, 1)}},
    {.name = "no depth", .inputs = {INTS(IG_I64, 0, 2, 3), DEPTH(IG_I64, 0), NORMAL(IG_F32, 2)}},
    {.name = "scalar",
     .inputs = {SCALAR_AS(IG_I64, false, 2), DEPTH(IG_I64, 3), NORMAL(IG_F32, 2)}},
    {.name = "threads",
     .inputs = {INTS(IG_I64, 0, 99, 700), DEPTH(IG_I64, 100), NORMAL(IG_F32, 2)},
     BIG},
};

const ig_op_cases ig_cases_one_hot = {
    .op = "OneHot", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
