/* Cases of ReverseSequence. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int batch = (int)attr_int(node, "batch_axis"), time = (int)attr_int(node, "time_axis");
  int64_t at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&in->shape, i, at);
    int64_t n = (int64_t)in[1].data[at[batch]];
    if (at[time] < n) at[time] = n - 1 - at[time];
    out->data[i] = in->data[offset_of(&in->shape, at)];
  }
}

#define BATCH_FIRST .n_attrs = 2, .attrs = {A_INT("batch_axis", 0), A_INT("time_axis", 1)}

static const ig_op_case cases[] = {
    {.name = "time first", .inputs = {NORMAL(IG_F32, 5, 4, 3), LIST_AS(IG_I64, false, 5, 1, 0, 3)}},
    {.name = "batch first",
     .inputs = {NORMAL(IG_F32, 4, 5), LIST_AS(IG_I64, false, 5, 1, 0, 3)},
     BATCH_FIRST},
    {.name = "i64",
     .inputs = {INTS(IG_I64, -9, 9, 2, 5, 2), LIST_AS(IG_I64, false, 4, 5)},
     BATCH_FIRST},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 90, 7, 80), INTS(IG_I64, 0, 90, 7)}, BIG},
};

const ig_op_cases ig_cases_reverse_sequence = {
    .op = "ReverseSequence", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
