/* Cases of Bernoulli: as many ones as the probabilities ask for, none where they are 0, all where 1. */
#include "noise_cases.h"

static const char *check(const ig_node *node, const ig_case_array *in, const ig_case_array *out) {
  IG_UNUSED(node);
  double expected = 0, variance = 0, found = 0;
  for (int64_t i = 0; i < count_of(in); i++) {
    double p = in->data[i], y = out->data[i];
    if (y != 0 && y != 1) return "neither 0 nor 1";
    if ((p == 0 || p == 1) && y != p) return "a certain one is missed";
    expected += p;
    variance += p * (1 - p);
    found += y;
  }
  return fabs(found - expected) > 5 * sqrt(variance) ? "the share of ones is off" : NULL;
}

#define CHANCES(type, lo, hi, ...)                                                                 \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = (lo), .high = (hi) \
  }
#define TO(value) .n_attrs = 1, .attrs = {A_INT("dtype", value)}

static const ig_op_case cases[] = {
    {.name = "any", .inputs = {CHANCES(IG_F32, 0, 1, 30, 101)}},
    {.name = "rare", .inputs = {CHANCES(IG_F32, 0.01, 0.02, 30, 1001)}},
    {.name = "certain", .inputs = {INTS(IG_F32, 0, 1, 900)}},
    {.name = "f64 to bool", .inputs = {CHANCES(IG_F64, 0.3, 0.5, 2, 1001)}, TO(9)},
    {.name = "to i32", .inputs = {CHANCES(IG_F32, 0.3, 0.5, 2, 1001)}, TO(6)},
    {.name = "to f64", .inputs = {CHANCES(IG_F32, 0.3, 0.5, 2, 1001)}, TO(11)},
    {.name = "to u16", .inputs = {CHANCES(IG_F32, 0.3, 0.5, 2, 1001)}, TO(4)},
    {.name = "empty", .inputs = {CHANCES(IG_F32, 0, 1, 0, 3)}},
};

const ig_op_cases ig_cases_bernoulli = {
    .op = "Bernoulli", .n_cases = IG_COUNT(cases), .cases = cases, .check = check};
