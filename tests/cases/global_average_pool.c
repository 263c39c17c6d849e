/* Cases of GlobalAveragePool. */
#include "conv_reference.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int64_t area = ig_shape_span(&in[0].shape, 2, in[0].shape.rank);
  for (int64_t i = 0; i < ig_shape_count(&out->shape); i++) {
    out->data[i] = 0;
    for (int64_t p = 0; p < area; p++) out->data[i] += in[0].data[i * area + p] / (double)area;
  }
}

static const ig_op_case cases[] = {
    {.name = "blocks", .inputs = {TENSOR(2, 32, 4, 4)}},
    {.name = "odd channels", .inputs = {TENSOR(2, 21, 3, 5)}},
    {.name = "one pixel", .inputs = {TENSOR(2, 3, 1, 1)}},
    {.name = "one dimension", .inputs = {TENSOR(2, 3, 17)}},
    {.name = "a volume", .inputs = {TENSOR(2, 3, 2, 3, 4)}},
};

const ig_op_cases ig_cases_global_average_pool = {
    .op = "GlobalAveragePool", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
