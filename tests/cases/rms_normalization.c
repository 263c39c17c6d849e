/* Cases of RMSNormalization. */
#include "norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axis = axis_of(attr_int(node, "axis"), &in->shape);
  int64_t n = ig_shape_span(&in->shape, axis, in->shape.rank);
  for (int64_t r = 0; r < ig_shape_span(&in->shape, 0, axis); r++) {
    const double *x = in[0].data + r * n;
    double invrms = 1 / sqrt(spread_of(x, 0, n) + attr_float(node, "epsilon"));
    normalize(x, 0, invrms, in[1].data, NULL, n, out[0].data + r * n);
    if (out[1].data) out[1].data[r] = invrms;
  }
}

static const ig_op_case cases[] = {
    {.name = "rows", .inputs = {NORMAL(IG_F32, 3, 4, 19), NORMAL(IG_F32, 19)}, .n_outputs = 2},
    {.name = "two dimensions",
     .inputs = {NORMAL(IG_F32, 2, 3, 5), NORMAL(IG_F32, 3, 5)},
     .n_attrs = 2,
     .attrs = {A_INT("axis", 1), A_FLOAT("epsilon", 0.1f)}},
    {.name = "f64", .inputs = {NORMAL(IG_F64, 3, 21), NORMAL(IG_F64, 21)}},
    {.name = "threads", .inputs = {NORMAL(IG_F32, 200, 130), NORMAL(IG_F32, 130)}, BIG},
};

const ig_op_cases ig_cases_rms_normalization = {.op = "RMSNormalization",
                                                .reference = reference,
                                                .n_cases = IG_COUNT(cases),
                                                .cases = cases};
