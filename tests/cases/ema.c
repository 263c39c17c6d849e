/* Cases of ingot.Ema. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double decay = in[0].data[0] <= 1 ? 0 : attr_float(node, "decay");
  for (int64_t i = 0; i < count_of(out); i++)
    out->data[i] = decay * in[2].data[i] + (1 - decay) * in[1].data[i];
}

static const ig_op_case cases[] = {
    {.name = "first",
     .inputs = {SCALAR_AS(IG_F32, false, 1), NORMAL(IG_F32, 3, 5), NORMAL(IG_F32, 3, 5)}},
    {.name = "later",
     .inputs = {SCALAR_AS(IG_F32, false, 2), NORMAL(IG_F32, 37), NORMAL(IG_F32, 37)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("decay", 0.75f)}},
    {.name = "threads",
     .inputs = {SCALAR_AS(IG_F32, false, 9), NORMAL(IG_F32, 50001), NORMAL(IG_F32, 50001)}},
};

const ig_op_cases ig_cases_ema = {
    .op = "ingot.Ema", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
