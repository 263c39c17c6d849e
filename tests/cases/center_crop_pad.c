/* Cases of CenterCropPad. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int64_t at[IG_MAX_RANK];
  for (int64_t i = 0; i < count_of(out); i++) {
    bool inside = true;
    index_of(&out->shape, i, at);
    for (int d = 0; d < in->shape.rank; d++) {
      int64_t more = in->shape.dims[d] - out->shape.dims[d];
      at[d] += more > 0 ? more / 2 : -(-more / 2);
      inside = inside && at[d] >= 0 && at[d] < in->shape.dims[d];
    }
    out->data[i] = inside ? in->data[offset_of(&in->shape, at)] : 0;
  }
}

static const ig_op_case cases[] = {
    {.name = "crop", .inputs = {NORMAL(IG_F32, 5, 6), LIST(2, 3)}},
    {.name = "pad", .inputs = {NORMAL(IG_F32, 2, 3), LIST(5, 6)}},
    {.name = "both", .inputs = {NORMAL(IG_F64, 2, 6, 3), LIST(4, 3, 3)}},
    {.name = "axes",
     .inputs = {NORMAL(IG_F32, 2, 5, 3), LIST(4, 2)},
     .n_attrs = 1,
     .attrs = {A_INTS("axes", -1, 1)}},
    {.name = "to nothing", .inputs = {NORMAL(IG_F32, 2, 3), LIST(0, 6)}},
    {.name = "from nothing", .inputs = {NORMAL(IG_F32, 0, 3), LIST(2, 4)}},
    {.name = "i32 list", .inputs = {INTS(IG_U8, 0, 255, 4, 4), LIST_AS(IG_I32, true, 2, 6)}},
};

const ig_op_cases ig_cases_center_crop_pad = {
    .op = "CenterCropPad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
