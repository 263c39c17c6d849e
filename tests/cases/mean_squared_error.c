/* Cases of ingot.MeanSquaredError. */
#include "elementwise_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int64_t n = ig_shape_count(&in[0].shape);
  double total = 0;
  for (int64_t i = 0; i < n; i++) {
    double x = in[0].data[i], t = in[1].data[i];
    total += (x - t) * (x - t);
  }
  out->data[0] = total / (double)n;
}

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {SPREAD(IG_F32, -6, 6, 5, 7), SPREAD(IG_F32, -3, 3, 5, 7)}},
    {.name = "one", .inputs = {SPREAD(IG_F32, -6, 6, 1), SPREAD(IG_F32, -3, 3, 1)}},
    {.name = "f64", .inputs = {SPREAD(IG_F64, -6, 6, 9), SPREAD(IG_F64, -3, 3, 9)}},
    {.name = "threads",
     .inputs = {SPREAD(IG_F32, -6, 6, 50001), SPREAD(IG_F32, -3, 3, 50001)},
     .no_grad_check = true,
     .why = REASON_SIZE},
};

const ig_op_cases ig_cases_mean_squared_error = {.op = "ingot.MeanSquaredError",
                                                 .reference = reference,
                                                 .n_cases = IG_COUNT(cases),
                                                 .cases = cases};
