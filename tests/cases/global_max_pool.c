/* Cases of GlobalMaxPool. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int64_t area = ig_shape_span(&in[0].shape, 2, in[0].shape.rank);
  for (int64_t i = 0; i < count_of(out); i++) {
    out->data[i] = -INFINITY;
    for (int64_t k = 0; k < area; k++) out->data[i] = fmax(out->data[i], in[0].data[i * area + k]);
  }
}

#define DISTINCT(...)                                                                              \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_DISTINCT }

static const ig_op_case cases[] = {
    {.name = "planes", .inputs = {DISTINCT(2, 3, 4, 5)}},
    {.name = "lines", .inputs = {DISTINCT(2, 3, 7)}},
    {.name = "volumes", .inputs = {DISTINCT(1, 2, 2, 3, 4)}},
};

const ig_op_cases ig_cases_global_max_pool = {
    .op = "GlobalMaxPool", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
