/* Cases of Shape. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t start = attr_int(node, "start");
  if (start < 0) start = IG_MAX(start + in->shape.rank, 0);
  for (int64_t i = 0; i < count_of(out); i++) out->data[i] = (double)in->shape.dims[start + i];
}

static const ig_op_case cases[] = {
    {.name = "all", .inputs = {NORMAL(IG_F32, 2, 3, 5)}},
    {.name = "scalar", .inputs = {{.dtype = IG_F32, .shape = NO_DIMS}}},
    {.name = "last two",
     .inputs = {NORMAL(IG_F32, 2, 3, 5)},
     .n_attrs = 1,
     .attrs = {A_INT("start", -2)}},
    {.name = "middle",
     .inputs = {INTS(IG_I8, 0, 9, 2, 3, 5, 1)},
     .n_attrs = 2,
     .attrs = {A_INT("start", 1), A_INT("end", -1)}},
    {.name = "beyond",
     .inputs = {NORMAL(IG_F32, 2, 3)},
     .n_attrs = 2,
     .attrs = {A_INT("start", -9), A_INT("end", 9)}},
    {.name = "nothing",
     .inputs = {NORMAL(IG_F32, 2, 3)},
     .n_attrs = 2,
     .attrs = {A_INT("start", 1), A_INT("end", 1)}},
};

const ig_op_cases ig_cases_shape = {
    .op = "Shape", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
