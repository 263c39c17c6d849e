/* Cases of ingot.BatchNormalizationGrad. */
#include "batch_norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *shape = &in[1].shape;
  int64_t n = shape->dims[0] * ig_shape_span(shape, 2, shape->rank);
  bool relu = attr_int(node, "relu") != 0;
  double *g = ig_alloc(3 * (size_t)n * sizeof *g), *x = g + n, *dx = x + n;
  for (int64_t c = 0; c < shape->dims[1]; c++) {
    double mean = in[3].data[c], invstd = 1 / sqrt(in[4].data[c] + attr_float(node, "epsilon"));
    out[1].data[c] = out[2].data[c] = 0;
    for (int64_t i = 0; i < n; i++) {
      int64_t at = in_channel(shape, c, i);
      double h = (in[1].data[at] - mean) * invstd, dy = in[0].data[at];
      double y = in[6].data ? in[6].data[at] : relu ? h * in[2].data[c] + in[5].data[c] : 0;
      if (relu && y <= 0) dy = 0;
      if (out[3].data) out[3].data[at] = dy;
      x[i] = in[1].data[at];
      g[i] = dy * in[2].data[c];
      dx[i] = g[i] * invstd;
      out[1].data[c] += dy * h;
      out[2].data[c] += dy;
    }
    if (attr_int(node, "training_mode")) normalized_grad(g, x, mean, invstd, true, n, 1, dx);
    for (int64_t i = 0; i < n; i++) out->data[in_channel(shape, c, i)] = dx[i];
  }
  ig_free(g);
}

#define GRAD_OPERANDS(type, channels, ...)                                                              \
  NORMAL(type, __VA_ARGS__), NORMAL(type, __VA_ARGS__), NORMAL(type, channels),                    \
      NORMAL(type, channels), POSITIVE(type, channels)
#define RELU .n_attrs = 1, .attrs = {A_INT("relu", 1)}
#define INFERENCE .n_attrs = 1, .attrs = {A_INT("training_mode", 0)}

static const ig_op_case cases[] = {
    {.name = "image", .inputs = {GRAD_OPERANDS(IG_F32, 5, 3, 5, 4, 6)}, .n_outputs = 3},
    {.name = "blocks", .inputs = {GRAD_OPERANDS(IG_F32, 35, 2, 35, 3, 3)}, .n_outputs = 3},
    {.name = "rows", .inputs = {GRAD_OPERANDS(IG_F32, 21, 9, 21)}, .n_outputs = 3},
    {.name = "fixed statistics", .inputs = {GRAD_OPERANDS(IG_F32, 5, 3, 5, 7)}, INFERENCE, .n_outputs = 3},
    {.name = "relu",
     .inputs = {GRAD_OPERANDS(IG_F32, 5, 3, 5, 4, 6), NORMAL(IG_F32, 5)},
     RELU,
     .n_outputs = 3},
    {.name = "relu, blocks",
     .inputs = {GRAD_OPERANDS(IG_F32, 35, 2, 35, 3, 7), NORMAL(IG_F32, 35)},
     RELU,
     .n_outputs = 3},
    {.name = "relu, residual",
     .inputs = {GRAD_OPERANDS(IG_F32, 35, 2, 35, 3, 7), ABSENT, NORMAL(IG_F32, 2, 35, 3, 7)},
     RELU,
     .n_outputs = 4},
    {.name = "relu, residual, rows",
     .inputs = {GRAD_OPERANDS(IG_F32, 5, 7, 5), ABSENT, NORMAL(IG_F32, 7, 5)},
     RELU,
     .n_outputs = 4},
    {.name = "f64", .inputs = {GRAD_OPERANDS(IG_F64, 3, 2, 3, 9)}, .n_outputs = 3},
    {.name = "packs of channels",
     .inputs = {GRAD_OPERANDS(IG_F32, 48, 8, 48, 9, 10), ABSENT, NORMAL(IG_F32, 8, 48, 9, 10)},
     RELU,
     .n_outputs = 4},
    {.name = "threads", .inputs = {GRAD_OPERANDS(IG_F32, 70, 4, 70, 10, 11)}, .n_outputs = 3},
    {.name = "several segments",
     .inputs = {GRAD_OPERANDS(IG_F32, 2, 5, 2, 130, 131)},
     INFERENCE,
     .n_outputs = 3,
     .tolerance = 1e-4},
};

const ig_op_cases ig_cases_batch_normalization_grad = {.op = "ingot.BatchNormalizationGrad",
                                                       .reference = reference,
                                                       .n_cases = IG_COUNT(cases),
                                                       .cases = cases};
