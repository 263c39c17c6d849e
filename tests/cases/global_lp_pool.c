/* Cases of GlobalLpPool. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double p = (double)attr_int(node, "p");
  int64_t area = ig_shape_span(&in[0].shape, 2, in[0].shape.rank);
  for (int64_t i = 0; i < count_of(out); i++) {
    double sum = 0;
    for (int64_t k = 0; k < area; k++) sum += pow(fabs(in[0].data[i * area + k]), p);
    out->data[i] = pow(sum, 1 / p);
  }
}

#define DISTINCT(...)                                                                              \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_DISTINCT }

static const ig_op_case cases[] = {
    {.name = "planes", .inputs = {DISTINCT(2, 3, 4, 5)}},
    {.name = "sums of sizes", .inputs = {DISTINCT(2, 3, 7)}, .n_attrs = 1, .attrs = {A_INT("p", 1)}},
    {.name = "cubes", .inputs = {DISTINCT(1, 2, 2, 3, 4)}, .n_attrs = 1, .attrs = {A_INT("p", 3)}},
};

const ig_op_cases ig_cases_global_lp_pool = {
    .op = "GlobalLpPool", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
