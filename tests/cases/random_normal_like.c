/* Cases of RandomNormalLike. */
#include "noise_cases.h"

static const char *check(const ig_node *node, const ig_case_array *in, const ig_case_array *out) {
  IG_UNUSED(in);
  return check_moments(out, attr_float(node, "mean"), attr_float(node, "scale"), 3);
}

static const ig_op_case cases[] = {
    {.name = "default", .inputs = {NORMAL(IG_F32, 30, 101)}},
    {.name = "moved", .inputs = {NORMAL(IG_F32, 3, 1001)}, .n_attrs = 2, .attrs = {A_FLOAT("mean", -3), A_FLOAT("scale", 0.5f)}},
    {.name = "f64 from integers",
     .inputs = {INTS(IG_I64, 0, 9, 2, 1001)},
     .n_attrs = 1,
     .attrs = {A_INT("dtype", 11)}},
    {.name = "scalar", .inputs = {SCALAR_AS(IG_F32, false, 1)}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 3, 40001)}},
};

const ig_op_cases ig_cases_random_normal_like = {
    .op = "RandomNormalLike", .n_cases = IG_COUNT(cases), .cases = cases, .check = check};
