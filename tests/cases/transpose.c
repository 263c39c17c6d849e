/* Cases of Transpose: runs, tiles, and what is neither. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  ig_ints perm = attr_of(node, "perm").ints;
  int rank = in->shape.rank;
  int64_t n = count_of(in), at[IG_MAX_RANK], from[IG_MAX_RANK];
  for (int64_t i = 0; i < n; i++) {
    index_of(&out->shape, i, at);
    for (int d = 0; d < rank; d++) from[perm.n ? perm.v[d] : rank - 1 - d] = at[d];
    out->data[i] = in->data[offset_of(&in->shape, from)];
  }
}

#define PERM(...) .n_attrs = 1, .attrs = {A_INTS("perm", __VA_ARGS__)}

static const ig_op_case cases[] = {
    {.name = "reversed", .inputs = {NORMAL(IG_F32, 3, 4, 5)}},
    {.name = "matrix", .inputs = {NORMAL(IG_F32, 37, 70)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 3, 130, 131)}, PERM(0, 2, 1), BIG},
    {.name = "heads", .inputs = {NORMAL(IG_F32, 2, 5, 3, 8)}, PERM(0, 2, 1, 3)},
    {.name = "many runs", .inputs = {NORMAL(IG_F32, 3, 40, 7, 8)}, PERM(0, 2, 1, 3), BIG},
    {.name = "merged", .inputs = {NORMAL(IG_F32, 2, 3, 4, 5)}, PERM(2, 3, 0, 1)},
    {.name = "channels last", .inputs = {NORMAL(IG_F32, 2, 33, 5, 7)}, PERM(0, 2, 3, 1)},
    {.name = "short sides", .inputs = {NORMAL(IG_F32, 40, 2)}, PERM(1, 0)},
    {.name = "same", .inputs = {NORMAL(IG_F32, 4, 5)}, PERM(0, 1)},
    {.name = "f64", .inputs = {NORMAL(IG_F64, 9, 35, 6)}, PERM(2, 1, 0)},
    {.name = "i8", .inputs = {INTS(IG_I8, -100, 100, 35, 40)}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 4, 0, 2)}, PERM(1, 2, 0)},
    {.name = "scalar", .inputs = {{.dtype = IG_F32, .shape = NO_DIMS}}},
    {.name = "rank 8", .inputs = {NORMAL(IG_F32, 2, 1, 3, 2, 1, 2, 2, 2)}, PERM(7, 2, 5, 0, 1, 3, 6, 4)},
};

const ig_op_cases ig_cases_transpose = {
    .op = "Transpose", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
