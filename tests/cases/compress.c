/* Cases of Compress. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t given = attr_int(node, "axis"), at[IG_MAX_RANK], to = 0;
  for (int64_t i = 0; i < count_of(in); i++) {
    index_of(&in->shape, i, at);
    int64_t place = given == INT64_MIN ? i : at[axis_of(given, &in->shape)];
    if (place < count_of(&in[1]) && in[1].data[place] != 0) out->data[to++] = in->data[i];
  }
}

#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}
#define FLAGS(...) LIST_AS(IG_BOOL, true, __VA_ARGS__)

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {NORMAL(IG_F32, 3, 2), FLAGS(0, 1, 1)}, AXIS(0)},
    {.name = "columns", .inputs = {NORMAL(IG_F64, 3, 4, 2), FLAGS(1, 0, 1)}, AXIS(-2)},
    {.name = "flat", .inputs = {NORMAL(IG_F32, 3, 2), FLAGS(0, 1, 0, 0, 1)}},
    {.name = "longer", .inputs = {INTS(IG_I8, -9, 9, 3), FLAGS(1, 0, 1, 0, 0)}, AXIS(0)},
    {.name = "nothing", .inputs = {NORMAL(IG_F32, 3, 2), FLAGS(0, 0)}, AXIS(1)},
};

const ig_op_cases ig_cases_compress = {
    .op = "Compress", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
