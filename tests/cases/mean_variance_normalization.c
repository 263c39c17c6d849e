/* Cases of MeanVarianceNormalization. */
#include "case_tools.h"

static bool same_group(const ig_node *node, const ig_shape *shape, int64_t i, int64_t j) {
  ig_ints axes = attr_of(node, "axes").ints;
  static const int64_t usual[] = {0, 2, 3};
  if (axes.n == 0) axes = (ig_ints){3, usual};
  int64_t a[IG_MAX_RANK], b[IG_MAX_RANK];
  index_of(shape, i, a);
  index_of(shape, j, b);
  for (int k = 0; k < axes.n; k++) {
    int d = axis_of(axes.v[k], shape);
    a[d] = b[d] = 0;
  }
  return offset_of(shape, a) == offset_of(shape, b);
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  for (int64_t i = 0; i < count_of(out); i++) {
    double n = 0, sum = 0, squares = 0;
    for (int64_t j = 0; j < count_of(in); j++) {
      if (!same_group(node, &in->shape, i, j)) continue;
      n++;
      sum += in->data[j];
      squares += in->data[j] * in->data[j];
    }
    double mean = sum / n;
    out->data[i] = (in->data[i] - mean) / (sqrt(squares / n - mean * mean) + 1e-9);
  }
}

static const ig_op_case cases[] = {
    {.name = "usual", .inputs = {NORMAL(IG_F32, 2, 3, 3, 2)}},
    {.name = "rows", .inputs = {NORMAL(IG_F32, 4, 9)}, .n_attrs = 1, .attrs = {A_INTS("axes", -1)}},
    {.name = "first", .inputs = {NORMAL(IG_F64, 7, 3)}, .n_attrs = 1, .attrs = {A_INTS("axes", 0)}},
    {.name = "two",
     .inputs = {NORMAL(IG_F32, 3, 2, 4)},
     .n_attrs = 1,
     .attrs = {A_INTS("axes", 2, 0)}},
};

const ig_op_cases ig_cases_mean_variance_normalization = {.op = "MeanVarianceNormalization",
                                                          .reference = reference,
                                                          .n_cases = IG_COUNT(cases),
                                                          .cases = cases};
