/* Cases of SpaceToDepth. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t b = attr_int(node, "blocksize"), channels = in->shape.dims[1], at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&out->shape, i, at);
    int64_t place = at[1] / channels;
    at[1] %= channels;
    at[2] = at[2] * b + place / b;
    at[3] = at[3] * b + place % b;
    out->data[i] = in->data[offset_of(&in->shape, at)];
  }
}

#define BLOCK(value) .n_attrs = 1, .attrs = {A_INT("blocksize", value)}

static const ig_op_case cases[] = {
    {.name = "two", .inputs = {NORMAL(IG_F32, 2, 3, 4, 6)}, BLOCK(2)},
    {.name = "three", .inputs = {NORMAL(IG_F64, 1, 2, 3, 6)}, BLOCK(3)},
    {.name = "one", .inputs = {NORMAL(IG_F32, 2, 3, 2, 3)}, BLOCK(1)},
    {.name = "u8", .inputs = {INTS(IG_U8, 0, 255, 1, 2, 4, 4)}, BLOCK(2)},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 2, 0, 4, 4)}, BLOCK(2)},
};

const ig_op_cases ig_cases_space_to_depth = {
    .op = "SpaceToDepth", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
