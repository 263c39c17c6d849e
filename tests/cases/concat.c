/* Cases of Concat. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &out->shape);
  int64_t first = 0, at[IG_MAX_RANK];
  for (int k = 0; k < node->n_inputs; k++) {
    for (int64_t i = 0; i < count_of(&in[k]); i++) {
      index_of(&in[k].shape, i, at);
      at[axis] += first;
      out->data[offset_of(&out->shape, at)] = in[k].data[i];
    }
    first += in[k].shape.dims[axis];
  }
}

#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 4, 3)}, AXIS(0)},
    {.name = "columns",
     .inputs = {NORMAL(IG_F32, 2, 3), NORMAL(IG_F32, 2, 0), NORMAL(IG_F32, 2, 5)},
     AXIS(-1)},
    {.name = "channels", .inputs = {NORMAL(IG_F32, 2, 3, 4), NORMAL(IG_F32, 2, 1, 4)}, AXIS(1)},
    {.name = "blocks of channels",
     .inputs = {NORMAL(IG_F32, 2, 32, 3, 2), NORMAL(IG_F32, 2, 16, 3, 2), NORMAL(IG_F32, 2, 21, 3, 2)},
     AXIS(1)},
    {.name = "a block within", .inputs = {NORMAL(IG_F32, 2, 17, 3, 2), NORMAL(IG_F32, 2, 16, 3, 2)}, AXIS(1)},
    {.name = "lines", .inputs = {NORMAL(IG_F32, 2, 18, 3, 2), NORMAL(IG_F32, 2, 18, 3, 4)}, AXIS(3)},
    {.name = "one", .inputs = {INTS(IG_I64, -9, 9, 5)}, AXIS(0)},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 90, 301), NORMAL(IG_F32, 90, 7)}, AXIS(1), BIG},
};

const ig_op_cases ig_cases_concat = {
    .op = "Concat", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
