/* Cases of DynamicQuantizeLinear, with the quotients of f32 arithmetic. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double least = 0, most = 0;
  IG_UNUSED(node);
  for (int64_t i = 0; i < count_of(in); i++) {
    least = fmin(least, in->data[i]);
    most = fmax(most, in->data[i]);
  }
  double scale = least == most ? 1 : (double)((float)(most - least) / 255.0f);
  double zero = fmin(fmax((double)lrint((double)(float)(-least / scale)), 0), 255);
  for (int64_t i = 0; i < count_of(in); i++) {
    double q = (double)lrint((double)(float)(in->data[i] / scale)) + zero;
    out[0].data[i] = fmin(fmax(q, 0), 255);
  }
  out[1].data[0] = scale;
  out[2].data[0] = zero;
}

#define BETWEEN(lo, hi, ...)                                                                       \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = (lo), .high = (hi) }

static const ig_op_case cases[] = {
    {.name = "both signs", .n_outputs = 3, .inputs = {NORMAL(IG_F32, 6, 35)}},
    {.name = "positive", .n_outputs = 3, .inputs = {BETWEEN(2, 9, 77)}},
    {.name = "negative", .n_outputs = 3, .inputs = {BETWEEN(-9, -2, 77)}},
    {.name = "zeros", .n_outputs = 3, .inputs = {LIST_AS(IG_F32, false, 0, -0.0, 0)}},
    {.name = "one number", .n_outputs = 3, .inputs = {SCALAR_AS(IG_F32, false, -3)}},
    {.name = "empty", .n_outputs = 3, .inputs = {NORMAL(IG_F32, 0)}},
    {.name = "threads", .n_outputs = 3, .inputs = {BETWEEN(-1, 7, 50021)}},
};

const ig_op_cases ig_cases_dynamic_quantize_linear = {
    .op = "DynamicQuantizeLinear", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
