/* Cases of ingot.Im2Col. */
#include "columns_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t pixel = pixel_under(node, &in->shape, &out->shape, attr_of(node, "block").ints.v, i);
    out->data[i] = pixel >= 0 ? in->data[pixel] : 0;
  }
}

static const ig_op_case cases[] = {
    {.name = "overlapping",
     .inputs = {NORMAL(IG_F32, 2, 3, 4, 5)},
     .n_attrs = 1,
     .attrs = {A_INTS("block", 2, 2)}},
    {.name = "all",
     .inputs = {NORMAL(IG_F64, 2, 1, 5, 6)},
     .n_attrs = 4,
     .attrs = {A_INTS("block", 2, 2), A_INTS("strides", 2, 1), A_INTS("dilations", 1, 3),
               A_INTS("pads", 1, 0, 0, 1)}},
    {.name = "line",
     .inputs = {NORMAL(IG_F32, 2, 2, 7)},
     .n_attrs = 1,
     .attrs = {A_INTS("block", 3)}},
    {.name = "u8",
     .inputs = {INTS(IG_U8, 0, 255, 1, 2, 3, 3)},
     .n_attrs = 1,
     .attrs = {A_INTS("block", 2, 3)}},
};

const ig_op_cases ig_cases_im2col = {
    .op = "ingot.Im2Col", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
