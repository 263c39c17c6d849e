/* Cases of RandomUniform. */
#include "noise_cases.h"

static const char *check(const ig_node *node, const ig_case_array *in, const ig_case_array *out) {
  IG_UNUSED(in);
  double low = attr_float(node, "low"), high = attr_float(node, "high");
  for (int64_t i = 0; i < count_of(out); i++) {
    if (!(out->data[i] >= low && out->data[i] <= high)) return "a number is out of range";
  }
  return check_moments(out, (low + high) / 2, (high - low) / sqrt(12), 1.8);
}

static const ig_op_case cases[] = {
    {.name = "default", .n_attrs = 1, .attrs = {A_INTS("shape", 30, 101)}},
    {.name = "moved", .n_attrs = 3, .attrs = {A_INTS("shape", 3003), A_FLOAT("low", -3), A_FLOAT("high", 5)}},
    {.name = "f64", .n_attrs = 2, .attrs = {A_INTS("shape", 2, 1001), A_INT("dtype", 11)}},
    {.name = "bf16", .n_attrs = 2, .attrs = {A_INTS("shape", 5, 7), A_INT("dtype", 16)}},
    {.name = "empty", .n_attrs = 1, .attrs = {A_INTS("shape", 0, 3)}},
    {.name = "threads", .n_attrs = 1, .attrs = {A_INTS("shape", 3, 40001)}},
};

const ig_op_cases ig_cases_random_uniform = {
    .op = "RandomUniform", .n_cases = IG_COUNT(cases), .cases = cases, .check = check};
