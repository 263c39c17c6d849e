/* Cases of ingot.Lion. */
#include "update_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double beta1 = rate(node, "beta1"), beta2 = rate(node, "beta2"), lr = in[0].data[0];
  double scale = in[2].data ? in[2].data[0] : 1;
  for (int64_t i = 0; i < count_of(&in[3]); i++) {
    double p = in[3].data[i], g = scale * in[4].data[i], m = in[5].data[i];
    double c = beta1 * m + (1 - beta1) * g;
    out[0].data[i] = p - lr * ((double)((c > 0) - (c < 0)) + attr_float(node, "weight_decay") * p);
    out[1].data[i] = beta2 * m + (1 - beta2) * g;
  }
}

#define THREE(...)                                                                                 \
  NORMAL(IG_F32, __VA_ARGS__), NORMAL(IG_F32, __VA_ARGS__), NORMAL(IG_F32, __VA_ARGS__)
#define ZEROS(n)                                                                                   \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(n), .fill = IG_FILL_VALUES, .values = (const double[]){0},      \
    .n_values = 1                                                                                  \
  }

static const ig_op_case cases[] = {
    {.name = "plain", .inputs = {SCALARS(1), ABSENT, THREE(3, 7)}, .n_outputs = 2},
    {.name = "decay",
     .inputs = {SCALARS(5), SCALE, THREE(37)},
     .n_attrs = 3,
     .attrs = {A_FLOAT("weight_decay", 0.5f), A_FLOAT("beta1", 0.75f), A_FLOAT("beta2", 0.5f)},
     .n_outputs = 2},
    {.name = "no direction",
     .inputs = {SCALARS(1), SCALE, NORMAL(IG_F32, 5), ZEROS(5), ZEROS(5)},
     .n_outputs = 2},
    {.name = "threads", .inputs = {SCALARS(2000), SCALE, THREE(50001)}, .n_outputs = 2},
};

const ig_op_cases ig_cases_lion = {
    .op = "ingot.Lion", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
