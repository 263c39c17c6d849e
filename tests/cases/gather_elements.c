/* Cases of GatherElements. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in->shape);
  int64_t at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&out->shape, i, at);
    at[axis] = (int64_t)in[1].data[i];
    if (at[axis] < 0) at[axis] += in->shape.dims[axis];
    out->data[i] = in->data[offset_of(&in->shape, at)];
  }
}

#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {NORMAL(IG_F32, 5, 4), INTS(IG_I64, -5, 4, 7, 3)}},
    {.name = "columns", .inputs = {NORMAL(IG_F32, 5, 4), INTS(IG_I32, -4, 3, 2, 9)}, AXIS(1)},
    {.name = "middle", .inputs = {NORMAL(IG_F64, 3, 6, 4), INTS(IG_I64, 0, 5, 2, 8, 3)}, AXIS(-2)},
    {.name = "u8", .inputs = {INTS(IG_U8, 0, 255, 9), INTS(IG_I64, 0, 8, 4)}},
    {.name = "nothing", .inputs = {NORMAL(IG_F32, 5, 4), INTS(IG_I64, 0, 4, 0, 3)}},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 90, 400), INTS(IG_I64, 0, 399, 90, 420)},
     .n_attrs = 1,
     .attrs = {A_INT("axis", 1)},
     BIG},
};

const ig_op_cases ig_cases_gather_elements = {
    .op = "GatherElements", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
