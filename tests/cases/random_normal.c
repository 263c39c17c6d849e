/* Cases of RandomNormal. */
#include "noise_cases.h"

static const char *check(const ig_node *node, const ig_case_array *in, const ig_case_array *out) {
  IG_UNUSED(in);
  return check_moments(out, attr_float(node, "mean"), attr_float(node, "scale"), 3);
}

static const ig_op_case cases[] = {
    {.name = "default", .n_attrs = 1, .attrs = {A_INTS("shape", 30, 101)}},
    {.name = "moved", .n_attrs = 3, .attrs = {A_INTS("shape", 3003), A_FLOAT("mean", -3), A_FLOAT("scale", 0.5f)}},
    {.name = "f64", .n_attrs = 2, .attrs = {A_INTS("shape", 2, 1001), A_INT("dtype", 11)}},
    {.name = "bf16", .n_attrs = 2, .attrs = {A_INTS("shape", 5, 7), A_INT("dtype", 16)}},
    {.name = "empty", .n_attrs = 1, .attrs = {A_INTS("shape", 0, 3)}},
    {.name = "threads", .n_attrs = 1, .attrs = {A_INTS("shape", 3, 40001)}},
};

const ig_op_cases ig_cases_random_normal = {
    .op = "RandomNormal", .n_cases = IG_COUNT(cases), .cases = cases, .check = check};
