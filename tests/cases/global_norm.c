/* Cases of ingot.GlobalNorm. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double sum = 0;
  for (int k = 0; k < node->n_inputs; k++) {
    for (int64_t i = 0; i < count_of(&in[k]); i++) sum += in[k].data[i] * in[k].data[i];
  }
  out->data[0] = sqrt(sum);
}

static const ig_op_case cases[] = {
    {.name = "one", .inputs = {NORMAL(IG_F32, 3, 50)}},
    {.name = "several",
     .inputs = {NORMAL(IG_F32, 70), NORMAL(IG_F64, 2, 3), {.dtype = IG_F32, .shape = NO_DIMS},
                NORMAL(IG_F32, 0)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 100003), NORMAL(IG_F32, 7)}},
};

const ig_op_cases ig_cases_global_norm = {
    .op = "ingot.GlobalNorm", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
