/* Cases of ingot.Unbucket. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t at = 0, line = node->inputs[0]->dtype == IG_F32 ? 16 : 32;
  for (int k = 0; k < node->n_outputs; k++) {
    memcpy(out[k].data, in->data + at, (size_t)count_of(&out[k]) * sizeof(double));
    at += (count_of(&out[k]) + line - 1) / line * line;
  }
}

static const ig_op_case cases[] = {
    {.name = "one", .inputs = {NORMAL(IG_F32, 96)}, .n_attrs = 1, .attrs = {A_INTS("shapes", 2, 3, 7)}},
    {.name = "views",
     .inputs = {NORMAL(IG_F32, 224)},
     .n_attrs = 1,
     .attrs = {A_INTS("shapes", 1, 17, 0, 2, 4, 4, 1, 0, 1, 64)},
     .n_outputs = 5},
    {.name = "from bf16",
     .inputs = {NORMAL(IG_BF16, 160)},
     .n_attrs = 1,
     .attrs = {A_INTS("shapes", 1, 33, 0, 2, 4, 4)},
     .n_outputs = 3},
    {.name = "from f16, several pieces",
     .inputs = {NORMAL(IG_F16, 20032)},
     .n_attrs = 1,
     .attrs = {A_INTS("shapes", 1, 3, 1, 19999)},
     .n_outputs = 2},
};

const ig_op_cases ig_cases_unbucket = {
    .op = "ingot.Unbucket", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
