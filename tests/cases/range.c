/* Cases of Range. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  for (int64_t i = 0; i < count_of(out); i++) out->data[i] = in[0].data[0] + (double)i * in[2].data[0];
}

#define BOUNDS(type, a, b, c)                                                                      \
  { SCALAR_AS(type, true, a), SCALAR_AS(type, true, b), SCALAR_AS(type, true, c) }

static const ig_op_case cases[] = {
    {.name = "up", .inputs = BOUNDS(IG_I64, 3, 11, 2)},
    {.name = "down", .inputs = BOUNDS(IG_I32, 10, 4, -3)},
    {.name = "nothing", .inputs = BOUNDS(IG_I64, 5, 5, 1)},
    {.name = "wrong way", .inputs = BOUNDS(IG_I64, 5, 9, -1)},
    {.name = "floats", .inputs = BOUNDS(IG_F32, 0.5, 2.1, 0.25)},
    {.name = "i16", .inputs = BOUNDS(IG_I16, -5, 6, 3)},
    {.name = "exact beyond doubles",
     .inputs = BOUNDS(IG_I64, -9.2233720368547748e18, 9.2233720368547748e18, 4.6116860184273879e18)},
    {.name = "f64", .inputs = BOUNDS(IG_F64, 1, 0, -0.125)},
};

const ig_op_cases ig_cases_range = {
    .op = "Range", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
