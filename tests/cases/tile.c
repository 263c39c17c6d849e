/* Cases of Tile. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int64_t at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&out->shape, i, at);
    for (int d = 0; d < in->shape.rank; d++) at[d] %= in->shape.dims[d];
    out->data[i] = in->data[offset_of(&in->shape, at)];
  }
}

static const ig_op_case cases[] = {
    {.name = "columns", .inputs = {NORMAL(IG_F32, 3, 2), LIST(1, 3)}},
    {.name = "rows", .inputs = {NORMAL(IG_F32, 3, 2), LIST(4, 1)}},
    {.name = "all", .inputs = {NORMAL(IG_F32, 2, 1, 3), LIST(2, 3, 2)}},
    {.name = "once", .inputs = {NORMAL(IG_F64, 2, 3), LIST(1, 1)}},
    {.name = "never", .inputs = {NORMAL(IG_F32, 2, 3), LIST(2, 0)}},
    {.name = "scalar", .inputs = {{.dtype = IG_F32, .shape = NO_DIMS}, EMPTY_LIST(IG_I64)}},
    {.name = "eight dimensions",
     .inputs = {NORMAL(IG_F32, 2, 1, 2, 3, 1, 2, 1, 2), LIST(2, 3, 1, 2, 2, 1, 2, 2)}},
    {.name = "bool", .inputs = {INTS(IG_BOOL, 0, 1, 3, 2), LIST(2, 2)}},
    {.name = "i64", .inputs = {INTS(IG_I64, -9, 9, 5), LIST(3)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 30, 70), LIST(6, 5)}, BIG},
};

const ig_op_cases ig_cases_tile = {
    .op = "Tile", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
