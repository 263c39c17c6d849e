/* Cases of ingot.GroupNormalizationGrad. */
#include "norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *shape = &in[1].shape;
  int64_t groups = attr_int(node, "num_groups"), channels = shape->dims[1];
  int64_t inner = ig_shape_span(shape, 2, shape->rank), n = channels / groups * inner;
  for (int64_t c = 0; c < channels; c++) out[1].data[c] = out[2].data[c] = 0;
  double *g = ig_alloc((size_t)n * sizeof *g);
  for (int64_t unit = 0; unit < shape->dims[0] * groups; unit++) {
    const double *dy = in[0].data + unit * n, *x = in[1].data + unit * n;
    double mean = in[3].data[unit], invstd = in[4].data[unit];
    for (int64_t i = 0; i < n; i++) {
      int64_t c = (unit * n + i) / inner % channels;
      g[i] = dy[i] * in[2].data[c];
      out[1].data[c] += dy[i] * (x[i] - mean) * invstd;
      out[2].data[c] += dy[i];
    }
    normalized_grad(g, x, mean, invstd, true, n, 1, out[0].data + unit * n);
  }
  ig_free(g);
}

#define GROUPS(value) .n_attrs = 1, .attrs = {A_INT("num_groups", value)}

static const ig_op_case cases[] = {
    {.name = "image",
     .inputs = {NORMAL(IG_F32, 2, 6, 3, 5), NORMAL(IG_F32, 2, 6, 3, 5), NORMAL(IG_F32, 6),
                NORMAL(IG_F32, 2, 3), POSITIVE(IG_F32, 2, 3)},
     GROUPS(3), .n_outputs = 3},
    {.name = "f64",
     .inputs = {NORMAL(IG_F64, 2, 4, 9), NORMAL(IG_F64, 2, 4, 9), NORMAL(IG_F64, 4),
                NORMAL(IG_F64, 2, 2), POSITIVE(IG_F64, 2, 2)},
     GROUPS(2), .n_outputs = 3},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 8, 8, 20, 20), NORMAL(IG_F32, 8, 8, 20, 20), NORMAL(IG_F32, 8),
                NORMAL(IG_F32, 8, 4), POSITIVE(IG_F32, 8, 4)},
     GROUPS(4), .n_outputs = 3},
};

const ig_op_cases ig_cases_group_normalization_grad = {.op = "ingot.GroupNormalizationGrad",
                                                       .reference = reference,
                                                       .n_cases = IG_COUNT(cases),
                                                       .cases = cases};
