/* Cases of ingot.AdamW: weight decay on the parameter, before the step. */
#include "update_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double scale = in[2].data ? in[2].data[0] : 1, lr = in[0].data[0];
  for (int64_t i = 0; i < count_of(&in[3]); i++) {
    double p = in[3].data[i] * (1 - lr * attr_float(node, "weight_decay"));
    out[0].data[i] = p - lr * adam_direction(node, in, out, i, scale * in[4].data[i]);
  }
  fill_copy(node, out);
}

static const ig_op_case cases[] = {ADAM_CASES};

const ig_op_cases ig_cases_adamw = {
    .op = "ingot.AdamW", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
