/* Cases of GroupNormalization. */
#include "norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t groups = attr_int(node, "num_groups"), channels = in->shape.dims[1];
  int64_t inner = ig_shape_span(&in->shape, 2, in->shape.rank), n = channels / groups * inner;
  for (int64_t unit = 0; unit < in->shape.dims[0] * groups; unit++) {
    const double *x = in->data + unit * n;
    double mean = mean_of(x, n);
    double invstd = 1 / sqrt(spread_of(x, mean, n) + attr_float(node, "epsilon"));
    for (int64_t i = 0; i < n; i++) {
      int64_t c = (unit * n + i) / inner % channels;
      out->data[unit * n + i] = (x[i] - mean) * invstd * in[1].data[c] + in[2].data[c];
    }
    if (out[1].data) out[1].data[unit] = mean;
    if (out[2].data) out[2].data[unit] = invstd;
  }
}

#define GROUPS(value) .n_attrs = 1, .attrs = {A_INT("num_groups", value)}

static const ig_op_case cases[] = {
    {.name = "image", .inputs = {NORMAL(IG_F32, 2, 6, 3, 5), NORMAL(IG_F32, 6), NORMAL(IG_F32, 6)},
     GROUPS(3), .n_outputs = 3},
    {.name = "one group", .inputs = {NORMAL(IG_F32, 3, 4, 7), NORMAL(IG_F32, 4), NORMAL(IG_F32, 4)},
     GROUPS(1)},
    {.name = "rows", .inputs = {NORMAL(IG_F32, 3, 8), NORMAL(IG_F32, 8), NORMAL(IG_F32, 8)}, GROUPS(2)},
    {.name = "epsilon",
     .inputs = {NORMAL(IG_F64, 2, 4, 5), NORMAL(IG_F64, 4), NORMAL(IG_F64, 4)},
     .n_attrs = 2,
     .attrs = {A_INT("num_groups", 2), A_FLOAT("epsilon", 0.5f)}},
    {.name = "threads",
     .inputs = {NORMAL(IG_F32, 3, 8, 70, 70), NORMAL(IG_F32, 8), NORMAL(IG_F32, 8)},
     GROUPS(4), .n_outputs = 3, BIG},
};

const ig_op_cases ig_cases_group_normalization = {.op = "GroupNormalization",
                                                  .reference = reference,
                                                  .n_cases = IG_COUNT(cases),
                                                  .cases = cases};
