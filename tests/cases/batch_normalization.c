/* Cases of BatchNormalization. */
#include "norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t batch = in->shape.dims[0], channels = in->shape.dims[1];
  int64_t area = ig_shape_span(&in->shape, 2, in->shape.rank);
  double count = (double)(batch * area), keep = attr_float(node, "momentum");
  for (int64_t c = 0; c < channels; c++) {
    double mean = in[3].data[c], variance = in[4].data[c];
    if (attr_int(node, "training_mode")) {
      mean = variance = 0;
      for (int64_t i = 0; i < batch * area; i++)
        mean += in->data[(i / area * channels + c) * area + i % area] / count;
      for (int64_t i = 0; i < batch * area; i++)
        variance += pow(in->data[(i / area * channels + c) * area + i % area] - mean, 2) / count;
    }
    double invstd = 1 / sqrt(variance + attr_float(node, "epsilon"));
    for (int64_t i = 0; i < batch * area; i++) {
      int64_t at = (i / area * channels + c) * area + i % area;
      out->data[at] = (in->data[at] - mean) * invstd * in[1].data[c] + in[2].data[c];
    }
    if (out[1].data) out[1].data[c] = keep * in[3].data[c] + (1 - keep) * mean;
    if (out[2].data) out[2].data[c] = keep * in[4].data[c] + (1 - keep) * variance;
    if (out[3].data) out[3].data[c] = mean;
    if (out[4].data) out[4].data[c] = variance;
  }
}

/* Statistics given are constants in inference; in training the outputs that they enter are not
 * differentiated. */
#define OPERANDS(type, channels, ...)                                                              \
  NORMAL(type, __VA_ARGS__), NORMAL(type, channels), NORMAL(type, channels),                       \
      FIXED(type, channels), POSITIVE(type, channels)
#define TRAINING A_INT("training_mode", 1)
#define FAR(type, ...)                                                                             \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 99, .high = 101   \
  }

static const ig_op_case cases[] = {
    {.name = "inference", .inputs = {OPERANDS(IG_F32, 5, 3, 5, 4, 6)}},
    {.name = "inference, rows", .inputs = {OPERANDS(IG_F32, 21, 7, 21)}},
    {.name = "training", .inputs = {OPERANDS(IG_F32, 5, 3, 5, 4, 6)}, .n_attrs = 1, .attrs = {TRAINING},
     .n_outputs = 3},
    {.name = "training, blocks",
     .inputs = {OPERANDS(IG_F32, 35, 2, 35, 3, 3)},
     .n_attrs = 3,
     .attrs = {TRAINING, A_FLOAT("momentum", 0.25f), A_FLOAT("epsilon", 0.125f)},
     .n_outputs = 5},
    {.name = "training, rows",
     .inputs = {OPERANDS(IG_F32, 21, 9, 21)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 3},
    {.name = "training, sequences",
     .inputs = {OPERANDS(IG_F32, 3, 2, 3, 70)},
     .n_attrs = 1,
     .attrs = {TRAINING}},
    {.name = "far from zero",
     .inputs = {FAR(IG_F32, 4, 3, 9, 8), NORMAL(IG_F32, 3), NORMAL(IG_F32, 3), FIXED(IG_F32, 3),
                POSITIVE(IG_F32, 3)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 5,
     .tolerance = 1e-4,
     .grad_tolerance = 1e-2},
    {.name = "f64", .inputs = {OPERANDS(IG_F64, 3, 2, 3, 5)}, .n_attrs = 1, .attrs = {TRAINING},
     .n_outputs = 5},
    {.name = "several segments",
     .inputs = {OPERANDS(IG_F32, 2, 5, 2, 130, 131)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 5, BIG},
    {.name = "threads",
     .inputs = {OPERANDS(IG_F32, 40, 16, 40, 12, 13)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 5, BIG},
    {.name = "empty", .inputs = {OPERANDS(IG_F32, 4, 0, 4, 2, 2)}},
};

const ig_op_cases ig_cases_batch_normalization = {.op = "BatchNormalization",
                                                  .reference = reference,
                                                  .n_cases = IG_COUNT(cases),
                                                  .cases = cases};
