/* RoiAlign in float64, sample by sample. */
#ifndef IG_TESTS_ROI_ALIGN_CASES_H
#define IG_TESTS_ROI_ALIGN_CASES_H

#include "twin_cases.h"

/* The bilinear sample at (y, x), or the largest of its four products. */
static double roi_sample(const double *plane, int64_t height, int64_t width, double y, double x,
                         bool max) {
  if (y < -1 || x < -1 || y > (double)height || x > (double)width) return 0;
  y = fmin(fmax(y, 0), (double)height - 1);
  x = fmin(fmax(x, 0), (double)width - 1);
  double sum = 0, most = -INFINITY;
  for (int64_t i = 0; i < height; i++) {
    for (int64_t j = 0; j < width; j++) {
      double w = fmax(0, 1 - fabs(y - (double)i)) * fmax(0, 1 - fabs(x - (double)j));
      sum += w * plane[i * width + j];
      if (w > 0) most = fmax(most, w * plane[i * width + j]);
    }
  }
  return max ? fmax(most, -INFINITY) : sum;
}

static void roi_align_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  bool half = attr_is(node, "coordinate_transformation_mode", "half_pixel");
  bool max = attr_is(node, "mode", "max");
  double scale = attr_float(node, "spatial_scale"), shift = half ? 0.5 : 0;
  const int64_t *x = in[0].shape.dims;
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t at[IG_MAX_RANK];
    index_of(&out->shape, i, at);
    const double *r = in[1].data + at[0] * 4;
    const double *plane = in[0].data + ((int64_t)in[2].data[at[0]] * x[1] + at[1]) * x[2] * x[3];
    double left = r[0] * scale - shift, top = r[1] * scale - shift;
    double width = r[2] * scale - shift - left, height = r[3] * scale - shift - top;
    if (!half) {
      width = fmax(width, 1);
      height = fmax(height, 1);
    }
    double bin_h = height / (double)out->shape.dims[2], bin_w = width / (double)out->shape.dims[3];
    double ratio = (double)attr_int(node, "sampling_ratio");
    double rows = ratio > 0 ? ratio : ceil(bin_h), columns = ratio > 0 ? ratio : ceil(bin_w);
    double sum = 0, most = -INFINITY;
    for (double a = 0; a < rows; a++) {
      for (double b = 0; b < columns; b++) {
        double v = roi_sample(plane, x[2], x[3], top + ((double)at[2] + (a + 0.5) / rows) * bin_h,
                              left + ((double)at[3] + (b + 0.5) / columns) * bin_w, max);
        sum += v;
        most = fmax(most, v);
      }
    }
    out->data[i] = max ? most : sum / (rows * columns);
  }
}

#define ROI_INPUTS(type)                                                                           \
  {.dtype = (type), .shape = DIMS(2, 2, 6, 7), .fill = IG_FILL_DISTINCT},                          \
      {.dtype = (type), .shape = DIMS(3, 4), .fill = IG_FILL_VALUES, .n_values = 12,               \
       .values = (const double[]){0.3, 0.7, 9.1, 8.3, 4.2, 1.9, 13.7, 12.4, 2.6, 5.1, 3.1, 5.9},   \
       .no_grad = true},                                                                           \
  {                                                                                                \
    .dtype = IG_I64, .shape = DIMS(3), .fill = IG_FILL_VALUES, .n_values = 3,                      \
    .values = (const double[]){1, 0, 1}                                                            \
  }
#define ROI_BINS                                                                                   \
  A_INT("output_height", 2), A_INT("output_width", 3), A_FLOAT("spatial_scale", 0.5f)

#endif
