/* Cases of InstanceNormalization. */
#include "norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t channels = in->shape.dims[1], n = ig_shape_span(&in->shape, 2, in->shape.rank);
  for (int64_t p = 0; p < in->shape.dims[0] * channels; p++) {
    const double *x = in->data + p * n;
    double mean = mean_of(x, n);
    double invstd = 1 / sqrt(spread_of(x, mean, n) + attr_float(node, "epsilon"));
    for (int64_t i = 0; i < n; i++)
      out->data[p * n + i] =
          (x[i] - mean) * invstd * in[1].data[p % channels] + in[2].data[p % channels];
  }
}

static const ig_op_case cases[] = {
    {.name = "image", .inputs = {NORMAL(IG_F32, 2, 3, 4, 5), NORMAL(IG_F32, 3), NORMAL(IG_F32, 3)}},
    {.name = "f64", .inputs = {NORMAL(IG_F64, 2, 3, 9), NORMAL(IG_F64, 3), NORMAL(IG_F64, 3)}},
};

const ig_op_cases ig_cases_instance_normalization = {.op = "InstanceNormalization",
                                                     .reference = reference,
                                                     .n_cases = IG_COUNT(cases),
                                                     .cases = cases};
