/* Cases of Col2Im. */
#include "columns_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t block[IG_MAX_RANK];
  for (int64_t d = 0; d < count_of(&in[2]); d++) block[d] = (int64_t)in[2].data[d];
  for (int64_t i = 0; i < count_of(out); i++) out->data[i] = 0;
  for (int64_t i = 0; i < count_of(in); i++) {
    int64_t pixel = pixel_under(node, &out->shape, &in->shape, block, i);
    if (pixel >= 0) out->data[pixel] += in->data[i];
  }
}

static const ig_op_case cases[] = {
    {.name = "overlapping", .inputs = {NORMAL(IG_F32, 2, 12, 12), LIST(4, 5), LIST(2, 2)}},
    {.name = "side by side",
     .inputs = {NORMAL(IG_F32, 1, 6, 4), LIST(4, 6), LIST(2, 3)},
     .n_attrs = 1,
     .attrs = {A_INTS("strides", 2, 3)}},
    {.name = "all",
     .inputs = {NORMAL(IG_F64, 2, 4, 12), LIST(5, 6), LIST(2, 2)},
     .n_attrs = 3,
     .attrs = {A_INTS("strides", 2, 1), A_INTS("dilations", 1, 3), A_INTS("pads", 1, 0, 0, 1)}},
    {.name = "line", .inputs = {NORMAL(IG_F32, 2, 6, 5), LIST(7), LIST(3)}},
    {.name = "volume", .inputs = {NORMAL(IG_F32, 1, 8, 12), LIST(3, 4, 3), LIST(2, 2, 2)}},
    {.name = "i32", .inputs = {INTS(IG_I32, -9, 9, 1, 4, 4), LIST(3, 3), LIST(2, 2)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 1, 27, 900), LIST(32, 32), LIST(3, 3)}, BIG},
};

const ig_op_cases ig_cases_col2im = {
    .op = "Col2Im", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
