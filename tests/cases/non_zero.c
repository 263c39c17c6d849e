/* Cases of NonZero. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int64_t found = out->shape.dims[1], at[IG_MAX_RANK], to = 0;
  for (int64_t i = 0; i < count_of(in); i++) {
    if (in->data[i] == 0) continue;
    index_of(&in->shape, i, at);
    for (int d = 0; d < in->shape.rank; d++) out->data[d * found + to] = (double)at[d];
    to++;
  }
}

#define KNOWN(type, ...)                                                                           \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = 0, .high = 2,         \
    .constant = true, .no_grad = true                                                              \
  }

static const ig_op_case cases[] = {
    {.name = "matrix", .inputs = {KNOWN(IG_F32, 4, 5)}},
    {.name = "volume", .inputs = {KNOWN(IG_I64, 2, 3, 4)}},
    {.name = "bool", .inputs = {KNOWN(IG_BOOL, 9)}},
    {.name = "u8", .inputs = {KNOWN(IG_U8, 3, 3)}},
    {.name = "empty", .inputs = {KNOWN(IG_F32, 3, 0)}},
    {.name = "scalar", .inputs = {SCALAR_AS(IG_F32, true, 3)}},
};

const ig_op_cases ig_cases_non_zero = {
    .op = "NonZero", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
