/* Cases of ingot.AddLayerNormalization. */
#include "norm_cases.h"

/* In 16 bits it is the rounded sum that is normalised, as by an Add before. */
static double rounded(ig_dtype dtype, double x) {
  uint16_t bits = 0;
  if (ig_dtype_size(dtype) > 2) return x;
  ig_store_f64(dtype, &bits, 0, x);
  return ig_load_f64(dtype, &bits, 0);
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in->shape);
  int64_t n = ig_shape_span(&in->shape, axis, in->shape.rank);
  for (int64_t i = 0; i < count_of(in); i++) {
    out[0].data[i] = rounded(node->outputs[0]->dtype, in[0].data[i] + in[1].data[i]);
  }
  for (int64_t r = 0; r < ig_shape_span(&in->shape, 0, axis); r++) {
    const double *x = out[0].data + r * n;
    double mean = mean_of(x, n);
    double invstd = 1 / sqrt(spread_of(x, mean, n) + attr_float(node, "epsilon"));
    normalize(x, mean, invstd, in[2].data, node->n_inputs > 3 ? in[3].data : NULL, n,
              out[1].data + r * n);
    if (out[2].data) out[2].data[r] = mean;
    if (out[3].data) out[3].data[r] = invstd;
  }
}

static const ig_op_case cases[] = {
    {.name = "both used",
     .inputs = {NORMAL(IG_F32, 3, 4, 19), NORMAL(IG_F32, 3, 4, 19), NORMAL(IG_F32, 19),
                NORMAL(IG_F32, 19)},
     .n_outputs = 2,
     .grad_outputs = 3},
    {.name = "statistics",
     .inputs = {NORMAL(IG_F32, 5, 70), NORMAL(IG_F32, 5, 70), NORMAL(IG_F32, 70), NORMAL(IG_F32, 70)},
     .n_outputs = 4,
     .grad_outputs = 2},
    {.name = "no bias",
     .inputs = {NORMAL(IG_F32, 4, 2, 3), NORMAL(IG_F32, 4, 2, 3), NORMAL(IG_F32, 2, 3)},
     .n_attrs = 2,
     .attrs = {A_INT("axis", 1), A_FLOAT("epsilon", 0.25f)},
     .n_outputs = 2,
     .grad_outputs = 3},
    {.name = "only the sum",
     .inputs = {NORMAL(IG_F32, 4, 6), NORMAL(IG_F32, 4, 6), FIXED(IG_F32, 6)},
     .n_outputs = 2,
     .grad_outputs = 1},
    {.name = "f64",
     .inputs = {NORMAL(IG_F64, 3, 21), NORMAL(IG_F64, 3, 21), NORMAL(IG_F64, 21), NORMAL(IG_F64, 21)},
     .n_outputs = 4,
     .grad_outputs = 3},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 200, 130), NORMAL(IG_F32, 200, 130), NORMAL(IG_F32, 130),
                NORMAL(IG_F32, 130)},
     .n_outputs = 2, BIG},
};

const ig_op_cases ig_cases_add_layer_normalization = {.op = "ingot.AddLayerNormalization",
                                                      .reference = reference,
                                                      .n_cases = IG_COUNT(cases),
                                                      .cases = cases};
