/* Cases of Expand. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int lead = out->shape.rank - in->shape.rank;
  int64_t at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&out->shape, i, at);
    for (int d = 0; d < in->shape.rank; d++) {
      if (in->shape.dims[d] == 1) at[lead + d] = 0;
    }
    out->data[i] = in->data[offset_of(&in->shape, at + lead)];
  }
}

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {NORMAL(IG_F32, 1, 5), LIST(4, 1)}},
    {.name = "columns", .inputs = {NORMAL(IG_F32, 5, 1), LIST(5, 6)}},
    {.name = "new dimensions", .inputs = {NORMAL(IG_F32, 3), LIST(2, 2, 3)}},
    {.name = "scalar", .inputs = {{.dtype = IG_F32, .shape = NO_DIMS}, LIST(2, 3)}},
    {.name = "both ways", .inputs = {NORMAL(IG_F64, 2, 1, 4), LIST(3, 1)}},
    {.name = "bool", .inputs = {INTS(IG_BOOL, 0, 1, 3, 1), LIST(1, 4)}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 1, 3), LIST(0, 3)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 3, 1, 700), LIST(3, 40, 700)}, BIG},
};

const ig_op_cases ig_cases_expand = {
    .op = "Expand", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
