/* Cases of EyeLike. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(in);
  int64_t columns = out->shape.dims[1], k = attr_int(node, "k");
  for (int64_t i = 0; i < count_of(out); i++) out->data[i] = i % columns - i / columns == k;
}

#define K(value) .n_attrs = 1, .attrs = {A_INT("k", value)}
#define TO(value) .n_attrs = 1, .attrs = {A_INT("dtype", value)}

static const ig_op_case cases[] = {
    {.name = "square", .inputs = {NORMAL(IG_F32, 5, 5)}},
    {.name = "wide", .inputs = {NORMAL(IG_F32, 3, 7)}, K(2)},
    {.name = "tall", .inputs = {NORMAL(IG_F32, 7, 3)}, K(-3)},
    {.name = "last", .inputs = {NORMAL(IG_F32, 7, 3)}, K(-6)},
    {.name = "beyond", .inputs = {NORMAL(IG_F32, 3, 7)}, K(7)},
    {.name = "far beyond", .inputs = {NORMAL(IG_F32, 3, 7)}, K(INT64_MIN)},
    {.name = "i32", .inputs = {INTS(IG_I32, 0, 9, 4, 4)}},
    {.name = "to f64", .inputs = {INTS(IG_I32, 0, 9, 4, 4)}, TO(11)},
    {.name = "to bool", .inputs = {NORMAL(IG_F32, 4, 4)}, TO(9)},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 4)}},
};

const ig_op_cases ig_cases_eye_like = {
    .op = "EyeLike", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
