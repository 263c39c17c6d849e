/* Cases of ingot.SliceGrad. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  ig_ints starts = attr_of(node, "starts").ints, steps = attr_of(node, "steps").ints;
  int64_t at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) out->data[i] = 0;
  for (int64_t i = 0; i < count_of(in); i++) {
    index_of(&in->shape, i, at);
    for (int d = 0; d < in->shape.rank; d++) at[d] = starts.v[d] + at[d] * steps.v[d];
    out->data[offset_of(&out->shape, at)] = in->data[i];
  }
}

static const ig_op_case cases[] = {
    {.name = "middle",
     .inputs = {NORMAL(IG_F32, 2, 3)},
     .n_attrs = 3,
     .attrs = {A_INTS("shape", 4, 5), A_INTS("starts", 1, 2), A_INTS("steps", 1, 1)}},
    {.name = "backwards by two",
     .inputs = {NORMAL(IG_F32, 3, 2)},
     .n_attrs = 3,
     .attrs = {A_INTS("shape", 6, 2), A_INTS("starts", 4, 1), A_INTS("steps", -2, -1)}},
    {.name = "nothing",
     .inputs = {NORMAL(IG_F64, 0, 3)},
     .n_attrs = 3,
     .attrs = {A_INTS("shape", 5, 3), A_INTS("starts", 3, 0), A_INTS("steps", 1, 1)}},
};

const ig_op_cases ig_cases_slice_grad = {
    .op = "ingot.SliceGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
