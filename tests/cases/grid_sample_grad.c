/* Cases of ingot.GridSampleGrad. */
#include "grid_sample_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, grid_sample_reference, 2, 1, 3, in, out);
}

#define ONLY(...) __VA_ARGS__
#define BACKWARD(title, x, grid, y, ...)                                                           \
  {.name = title,                                                                                  \
   .inputs = {NORMAL(IG_F64, ONLY x), GRID(IG_F64, ONLY grid), NORMAL(IG_F64, ONLY y)},            \
   GRID_ATTRS(__VA_ARGS__),                                                                        \
   .n_outputs = 2,                                                                                 \
   .tolerance = 1e-6},

static const ig_op_case cases[] = {GRID_CASES(BACKWARD)};

const ig_op_cases ig_cases_grid_sample_grad = {.op = "ingot.GridSampleGrad",
                                               .reference = reference,
                                               .n_cases = IG_COUNT(cases),
                                               .cases = cases};
