/* The definition of batch normalisation in float64, with the residual and ReLU of the fused form. */
#ifndef IG_TESTS_BATCH_NORM_CASES_H
#define IG_TESTS_BATCH_NORM_CASES_H

#include "norm_cases.h"

/* Position of element i of channel c of a tensor [N, C, ...]. */
static inline int64_t in_channel(const ig_shape *shape, int64_t c, int64_t i) {
  int64_t area = ig_shape_span(shape, 2, shape->rank);
  return (i / area * shape->dims[1] + c) * area + i % area;
}

static inline void batch_norm_reference(const ig_node *node, const ig_case_array *in,
                                        ig_case_array *out, const double *residual, bool relu) {
  const ig_shape *shape = &in->shape;
  int64_t n = shape->dims[0] * ig_shape_span(shape, 2, shape->rank);
  double keep = attr_float(node, "momentum");
  for (int64_t c = 0; c < shape->dims[1]; c++) {
    double mean = in[3].data[c], variance = in[4].data[c];
    if (attr_int(node, "training_mode")) {
      mean = variance = 0;
      for (int64_t i = 0; i < n; i++) mean += in->data[in_channel(shape, c, i)] / (double)n;
      for (int64_t i = 0; i < n; i++)
        variance += pow(in->data[in_channel(shape, c, i)] - mean, 2) / (double)n;
    }
    double invstd = 1 / sqrt(variance + attr_float(node, "epsilon"));
    for (int64_t i = 0; i < n; i++) {
      int64_t at = in_channel(shape, c, i);
      double y = (in->data[at] - mean) * invstd * in[1].data[c] + in[2].data[c];
      if (residual) y += residual[at];
      out->data[at] = relu ? fmax(y, 0) : y;
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

#endif
