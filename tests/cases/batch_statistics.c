/* Cases of ingot.BatchStatistics. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *s = &in->shape;
  int64_t n = s->dims[0], c = s->dims[1], area = ig_shape_span(s, 2, s->rank);
  IG_UNUSED(node);
  for (int64_t k = 0; k < c; k++) {
    double sum = 0, squares = 0, count = (double)(n * area);
    for (int64_t i = 0; i < n * area; i++) sum += in->data[(i / area * c + k) * area + i % area];
    for (int64_t i = 0; i < n * area; i++)
      squares += pow(in->data[(i / area * c + k) * area + i % area] - sum / count, 2);
    out[0].data[k] = sum / count;
    out[1].data[k] = squares / count;
  }
}

static const ig_op_case cases[] = {
    {.name = "images", .inputs = {NORMAL(IG_F32, 3, 5, 4, 7)}, .n_outputs = 2},
    {.name = "one sample", .inputs = {NORMAL(IG_F32, 1, 17, 3, 3)}, .n_outputs = 2},
    {.name = "columns", .inputs = {NORMAL(IG_F32, 33, 6)}, .n_outputs = 2},
    {.name = "far from 0",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(8, 3, 9, 9), .fill = IG_FILL_UNIFORM, .low = 100, .high = 101}},
     .n_outputs = 2},
    {.name = "several segments", .inputs = {NORMAL(IG_F32, 4, 20, 60, 60)}, .n_outputs = 2},
    {.name = "f64", .inputs = {NORMAL(IG_F64, 4, 3, 2)}, .n_outputs = 2},
};

const ig_op_cases ig_cases_batch_statistics = {.op = "ingot.BatchStatistics",
                                               .reference = reference,
                                               .n_cases = IG_COUNT(cases),
                                               .cases = cases};
