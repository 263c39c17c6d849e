/* Cases of LayerNormalization. */
#include "norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in->shape);
  int64_t n = ig_shape_span(&in->shape, axis, in->shape.rank);
  for (int64_t r = 0; r < ig_shape_span(&in->shape, 0, axis); r++) {
    const double *x = in[0].data + r * n;
    double mean = mean_of(x, n);
    double invstd = 1 / sqrt(spread_of(x, mean, n) + attr_float(node, "epsilon"));
    normalize(x, mean, invstd, in[1].data, node->n_inputs > 2 ? in[2].data : NULL, n,
              out[0].data + r * n);
    if (out[1].data) out[1].data[r] = mean;
    if (out[2].data) out[2].data[r] = invstd;
  }
}

/* Mean far from 0 beside a small spread: what a sum of squares alone would lose. */
#define FAR(type, ...)                                                                             \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 99, .high = 101   \
  }
#define AXIS(value) .n_attrs = 1, .attrs = {A_INT("axis", value)}

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {NORMAL(IG_F32, 3, 4, 19), NORMAL(IG_F32, 19), NORMAL(IG_F32, 19)},
     .n_outputs = 3},
    {.name = "no bias", .inputs = {NORMAL(IG_F32, 5, 70), NORMAL(IG_F32, 70)}},
    {.name = "two dimensions",
     .inputs = {NORMAL(IG_F32, 2, 3, 5, 4), NORMAL(IG_F32, 5, 4), NORMAL(IG_F32, 5, 4)},
     AXIS(2)},
    {.name = "whole", .inputs = {NORMAL(IG_F32, 4, 3), NORMAL(IG_F32, 4, 3)}, AXIS(0)},
    {.name = "far", .inputs = {FAR(IG_F32, 3, 130), NORMAL(IG_F32, 130), NORMAL(IG_F32, 130)},
     .tolerance = 1e-4, .grad_tolerance = 1e-2},
    {.name = "epsilon",
     .inputs = {NORMAL(IG_F32, 3, 6), NORMAL(IG_F32, 6), NORMAL(IG_F32, 6)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("epsilon", 0.5f)}},
    {.name = "f64", .inputs = {NORMAL(IG_F64, 3, 21), NORMAL(IG_F64, 21), NORMAL(IG_F64, 21)},
     .n_outputs = 3},
    {.name = "no rows", .inputs = {NORMAL(IG_F32, 0, 7), NORMAL(IG_F32, 7), NORMAL(IG_F32, 7)}},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 200, 130), NORMAL(IG_F32, 130), NORMAL(IG_F32, 130)},
     .n_outputs = 3, BIG},
    {.name = "several warps a row",
     .inputs = {NORMAL(IG_F32, 5, 1304), NORMAL(IG_F32, 1304), NORMAL(IG_F32, 1304)},
     .n_outputs = 3, BIG},
    {.name = "long row",
     .inputs = {NORMAL(IG_F32, 1, 50000), NORMAL(IG_F32, 50000), NORMAL(IG_F32, 50000)},
     BIG},
};

const ig_op_cases ig_cases_layer_normalization = {.op = "LayerNormalization",
                                                  .reference = reference,
                                                  .n_cases = IG_COUNT(cases),
                                                  .cases = cases};
