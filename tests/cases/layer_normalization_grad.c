/* Cases of ingot.LayerNormalizationGrad. Mean and reciprocal deviation are given as any numbers, so
 * the terms are those of the definition with these as they are. */
#include "norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *shape = &in[1].shape;
  int axis = axis_of(attr_int(node, "axis"), shape);
  int64_t n = ig_shape_span(shape, axis, shape->rank);
  for (int64_t i = 0; i < n; i++) {
    out[1].data[i] = 0;
    if (out[2].data) out[2].data[i] = 0;
  }
  for (int64_t r = 0; r < ig_shape_span(shape, 0, axis); r++) {
    const double *dy = in[0].data + r * n, *x = in[1].data + r * n;
    double *g = ig_alloc((size_t)n * sizeof *g);
    for (int64_t i = 0; i < n; i++) {
      g[i] = dy[i] * in[2].data[i];
      out[1].data[i] += dy[i] * (x[i] - in[3].data[r]) * in[4].data[r];
      if (out[2].data) out[2].data[i] += dy[i];
    }
    normalized_grad(g, x, in[3].data[r], in[4].data[r], true, n, 1, out[0].data + r * n);
    for (int64_t i = 0; i < n && node->n_inputs > 5; i++)
      out[0].data[r * n + i] += in[5].data[r * n + i];
    ig_free(g);
  }
}

static const ig_op_case cases[] = {
    {.name = "rows",
     .inputs = {NORMAL(IG_F32, 3, 4, 19), NORMAL(IG_F32, 3, 4, 19), NORMAL(IG_F32, 19),
                NORMAL(IG_F32, 3, 4, 1), POSITIVE(IG_F32, 3, 4, 1)},
     .n_outputs = 3},
    {.name = "residual",
     .inputs = {NORMAL(IG_F32, 5, 70), NORMAL(IG_F32, 5, 70), NORMAL(IG_F32, 70), NORMAL(IG_F32, 5, 1),
                POSITIVE(IG_F32, 5, 1), NORMAL(IG_F32, 5, 70)},
     .n_outputs = 3},
    {.name = "no bias",
     .inputs = {NORMAL(IG_F32, 4, 2, 3), NORMAL(IG_F32, 4, 2, 3), NORMAL(IG_F32, 2, 3),
                NORMAL(IG_F32, 4, 1, 1), POSITIVE(IG_F32, 4, 1, 1)},
     .n_attrs = 1,
     .attrs = {A_INT("axis", 1)},
     .n_outputs = 2},
    {.name = "f64",
     .inputs = {NORMAL(IG_F64, 3, 21), NORMAL(IG_F64, 3, 21), NORMAL(IG_F64, 21), NORMAL(IG_F64, 3, 1),
                POSITIVE(IG_F64, 3, 1)},
     .n_outputs = 3},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 200, 130), NORMAL(IG_F32, 200, 130), NORMAL(IG_F32, 130),
                NORMAL(IG_F32, 200, 1), POSITIVE(IG_F32, 200, 1)},
     .n_outputs = 3},
    {.name = "rows of one warp, several parts",
     .inputs = {NORMAL(IG_F32, 200, 136), NORMAL(IG_F32, 200, 136), NORMAL(IG_F32, 136),
                NORMAL(IG_F32, 200, 1), POSITIVE(IG_F32, 200, 1), NORMAL(IG_F32, 200, 136)},
     .n_outputs = 3},
    {.name = "several warps a row",
     .inputs = {NORMAL(IG_F32, 11, 1304), NORMAL(IG_F32, 11, 1304), NORMAL(IG_F32, 1304),
                NORMAL(IG_F32, 11, 1), POSITIVE(IG_F32, 11, 1)},
     .n_outputs = 3},
};

const ig_op_cases ig_cases_layer_normalization_grad = {.op = "ingot.LayerNormalizationGrad",
                                                       .reference = reference,
                                                       .n_cases = IG_COUNT(cases),
                                                       .cases = cases};
