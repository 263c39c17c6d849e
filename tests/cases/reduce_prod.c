/* Cases of ReduceProd. */
#include "reduce_cases.h"

static double fold(double total, double x) {
  return total * x;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  reduce_fold(node, in, out, 1, fold);
}

static const ig_op_case cases[] = {
    REDUCE_CASES,
    {.name = "zeros",
     .inputs = {{.dtype = IG_F32,
                 .shape = DIMS(4, 3),
                 .fill = IG_FILL_VALUES,
                 .values = (const double[]){2, 0, 3, 0, 5, 0, 1, 2, 3, 7, 0, 1},
                 .n_values = 12},
                AXES(axes_1)}},
    EMPTY_CASE,
};

const ig_op_cases ig_cases_reduce_prod = {
    .op = "ReduceProd", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
