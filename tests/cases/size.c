/* Cases of Size. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  out->data[0] = 1;
  for (int d = 0; d < in->shape.rank; d++) out->data[0] *= (double)in->shape.dims[d];
}

static const ig_op_case cases[] = {
    {.name = "matrix", .inputs = {NORMAL(IG_F32, 3, 5)}},
    {.name = "scalar", .inputs = {{.dtype = IG_I64, .shape = NO_DIMS}}},
    {.name = "empty", .inputs = {NORMAL(IG_F64, 3, 0, 2)}},
};

const ig_op_cases ig_cases_size = {
    .op = "Size", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
