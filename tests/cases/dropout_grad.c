/* Cases of ingot.DropoutGrad. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double ratio = node->n_inputs > 3 ? in[3].data[0] : 0.5;
  double scale = in[2].data[0] != 0 ? 1 / (1 - ratio) : 1;
  for (int64_t i = 0; i < count_of(out); i++) out->data[i] = in[1].data[i] * in[0].data[i] * scale;
}

static const ig_op_case cases[] = {
    {.name = "training",
     .inputs = {NORMAL(IG_F32, 3, 37), INTS(IG_BOOL, 0, 1, 3, 37), SCALAR_AS(IG_BOOL, true, 1),
                SCALAR_AS(IG_F64, true, 0.3)}},
    {.name = "default ratio",
     .inputs = {NORMAL(IG_F64, 11), INTS(IG_BOOL, 0, 1, 11), SCALAR_AS(IG_BOOL, true, 1)}},
    {.name = "not training",
     .inputs = {NORMAL(IG_F32, 11), INTS(IG_BOOL, 1, 1, 11), SCALAR_AS(IG_BOOL, true, 0),
                SCALAR_AS(IG_F64, true, 0.3)}},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 300, 301), INTS(IG_BOOL, 0, 1, 300, 301), SCALAR_AS(IG_BOOL, true, 1),
                SCALAR_AS(IG_F64, true, 0.1)}},
};

const ig_op_cases ig_cases_dropout_grad = {
    .op = "ingot.DropoutGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
