/* Cases of ingot.RMSNormalizationGrad. */
#include "norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *shape = &in[1].shape;
  int axis = axis_of(attr_int(node, "axis"), shape);
  int64_t n = ig_shape_span(shape, axis, shape->rank);
  for (int64_t i = 0; i < n; i++) out[1].data[i] = 0;
  for (int64_t r = 0; r < ig_shape_span(shape, 0, axis); r++) {
    const double *dy = in[0].data + r * n, *x = in[1].data + r * n;
    double *g = ig_alloc((size_t)n * sizeof *g);
    for (int64_t i = 0; i < n; i++) {
      g[i] = dy[i] * in[2].data[i];
      out[1].data[i] += dy[i] * x[i] * in[3].data[r];
    }
    normalized_grad(g, x, 0, in[3].data[r], false, n, 1, out[0].data + r * n);
    ig_free(g);
  }
}

static const ig_op_case cases[] = {
    {.name = "rows",
     .inputs = {NORMAL(IG_F32, 3, 4, 19), NORMAL(IG_F32, 3, 4, 19), NORMAL(IG_F32, 19),
                POSITIVE(IG_F32, 3, 4, 1)},
     .n_outputs = 2},
    {.name = "f64",
     .inputs = {NORMAL(IG_F64, 3, 5, 4), NORMAL(IG_F64, 3, 5, 4), NORMAL(IG_F64, 5, 4),
                POSITIVE(IG_F64, 3, 1, 1)},
     .n_attrs = 1,
     .attrs = {A_INT("axis", 1)},
     .n_outputs = 2},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 200, 130), NORMAL(IG_F32, 200, 130), NORMAL(IG_F32, 130),
                POSITIVE(IG_F32, 200, 1)},
     .n_outputs = 2},
};

const ig_op_cases ig_cases_rms_normalization_grad = {.op = "ingot.RMSNormalizationGrad",
                                                     .reference = reference,
                                                     .n_cases = IG_COUNT(cases),
                                                     .cases = cases};
