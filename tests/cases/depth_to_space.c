/* Cases of DepthToSpace. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t b = attr_int(node, "blocksize"), channels = out->shape.dims[1], at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) {
    index_of(&out->shape, i, at);
    int64_t place = at[2] % b * b + at[3] % b;
    at[1] = attr_is(node, "mode", "CRD") ? at[1] * b * b + place : place * channels + at[1];
    at[2] /= b;
    at[3] /= b;
    out->data[i] = in->data[offset_of(&in->shape, at)];
  }
}

#define BLOCK(value) .n_attrs = 1, .attrs = {A_INT("blocksize", value)}
#define CRD(value) .n_attrs = 2, .attrs = {A_INT("blocksize", value), A_STRING("mode", "CRD")}

static const ig_op_case cases[] = {
    {.name = "two", .inputs = {NORMAL(IG_F32, 2, 12, 2, 3)}, BLOCK(2)},
    {.name = "three", .inputs = {NORMAL(IG_F64, 1, 18, 3, 2)}, BLOCK(3)},
    {.name = "CRD", .inputs = {NORMAL(IG_F32, 2, 12, 2, 3)}, CRD(2)},
    {.name = "one", .inputs = {NORMAL(IG_F32, 2, 3, 2, 3)}, CRD(1)},
    {.name = "i8", .inputs = {INTS(IG_I8, -99, 99, 1, 8, 2, 2)}, BLOCK(2)},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 4, 2, 3)}, CRD(2)},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 3, 16, 40, 41)},
     .n_attrs = 1,
     .attrs = {A_INT("blocksize", 4)},
     BIG},
};

const ig_op_cases ig_cases_depth_to_space = {
    .op = "DepthToSpace", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
