/* MaxUnpool in float64. */
#ifndef IG_TESTS_MAX_UNPOOL_CASES_H
#define IG_TESTS_MAX_UNPOOL_CASES_H

#include "twin_cases.h"

/* Two planes 2 x 3 unpooled by two: 4 x 6 each; `wide` is the result's width. */
static void max_unpool_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int64_t height = out->shape.dims[2], width = out->shape.dims[3];
  memset(out->data, 0, (size_t)count_of(out) * sizeof(double));
  for (int64_t i = 0; i < count_of(&in[0]); i++) {
    int64_t index = (int64_t)in[1].data[i], plane = index / 24, row = index % 24 / 6, column = index % 6;
    out->data[(plane * height + row) * width + column] = in[0].data[i];
  }
}

#define MAX_UNPOOL_INPUTS                                                                          \
  NORMAL(IG_F32, 1, 2, 2, 3), {                                                                    \
    .dtype = IG_I64, .shape = DIMS(1, 2, 2, 3), .fill = IG_FILL_VALUES,                            \
    .values = (const double[]){0, 3, 11, 12, 15, 23, 30, 27, 35, 42, 39, 46}, .n_values = 12       \
  }
#define MAX_UNPOOL_ATTRS A_INTS("kernel_shape", 2, 2), A_INTS("strides", 2, 2)

#endif
