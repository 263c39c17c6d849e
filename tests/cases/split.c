/* Cases of Split. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in->shape);
  int64_t first = 0, at[IG_MAX_RANK];
  for (int k = 0; k < node->n_outputs; k++) {
    for (int64_t i = 0; i < count_of(&out[k]); i++) {
      index_of(&out[k].shape, i, at);
      at[axis] += first;
      out[k].data[i] = in->data[offset_of(&in->shape, at)];
    }
    first += out[k].shape.dims[axis];
  }
}

#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}

static const ig_op_case cases[] = {
    {.name = "equal", .inputs = {NORMAL(IG_F32, 6, 2)}, .n_outputs = 3, .grad_outputs = 7},
    {.name = "smaller last",
     .inputs = {NORMAL(IG_F32, 2, 7)},
     .n_attrs = 2,
     .attrs = {A_INT("axis", 1), A_INT("num_outputs", 3)},
     .n_outputs = 3,
     .grad_outputs = 7},
    {.name = "sizes", .inputs = {NORMAL(IG_F32, 2, 9, 3), LIST(2, 0, 7)}, AXIS(-2), .n_outputs = 3,
     .grad_outputs = 5},
    {.name = "one is used", .inputs = {NORMAL(IG_F64, 4, 6), LIST(1, 5)}, AXIS(1), .n_outputs = 2,
     .grad_outputs = 2},
    {.name = "one", .inputs = {INTS(IG_I32, -9, 9, 5)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 90, 3, 128)}, AXIS(1), .n_outputs = 3, BIG},
};

const ig_op_cases ig_cases_split = {
    .op = "Split", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
