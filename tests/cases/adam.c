/* Cases of ingot.Adam: weight decay in the gradient. */
#include "update_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double scale = in[2].data ? in[2].data[0] : 1;
  for (int64_t i = 0; i < count_of(&in[3]); i++) {
    double p = in[3].data[i], g = scale * in[4].data[i] + attr_float(node, "weight_decay") * p;
    out[0].data[i] = p - in[0].data[0] * adam_direction(node, in, out, i, g);
  }
  fill_copy(node, out);
}

static const ig_op_case cases[] = {ADAM_CASES};

const ig_op_cases ig_cases_adam = {
    .op = "ingot.Adam", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
