/* Cases of ingot.LAMB. */
#include "update_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t n = count_of(&in[3]);
  double scale = in[2].data ? in[2].data[0] : 1, pp = 0, rr = 0;
  for (int64_t i = 0; i < n; i++) {
    double r = adam_direction(node, in, out, i, scale * in[4].data[i]);
    r += attr_float(node, "weight_decay") * in[3].data[i];
    out[0].data[i] = r;
    pp += in[3].data[i] * in[3].data[i];
    rr += r * r;
  }
  double trust = pp > 0 && rr > 0 ? sqrt(pp / rr) : 1;
  for (int64_t i = 0; i < n; i++)
    out[0].data[i] = in[3].data[i] - in[0].data[0] * trust * out[0].data[i];
  fill_copy(node, out);
}

#define ZEROS(n)                                                                                   \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(n), .fill = IG_FILL_VALUES, .values = (const double[]){0},      \
    .n_values = 1                                                                                  \
  }

static const ig_op_case cases[] = {
    ADAM_CASES,
    {.name = "zero parameter",
     .inputs = {SCALARS(1), ABSENT, ZEROS(5), NORMAL(IG_F32, 5), ZEROS(5), ZEROS(5)},
     .n_outputs = 3},
};

const ig_op_cases ig_cases_lamb = {
    .op = "ingot.LAMB", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
