/* The resize of ONNX's specification as one dense sum an output element: for each axis, the weight of
 * every input coordinate, found by asking the filter about each. */
#ifndef IG_TESTS_RESIZE_CASES_H
#define IG_TESTS_RESIZE_CASES_H

#include "case_tools.h"

typedef struct resize_axis {
  int64_t in, out;
  double scale, from, to;
} resize_axis;

static inline double coordinate(const ig_node *node, const resize_axis *a, double i) {
  double in = (double)a->in, out = a->scale * in, last = in - 1; /* not cut to an integer */
  if (attr_is(node, "coordinate_transformation_mode", "asymmetric")) return i / a->scale;
  if (attr_is(node, "coordinate_transformation_mode", "align_corners"))
    return out == 1 ? 0 : i * last / (out - 1);
  if (attr_is(node, "coordinate_transformation_mode", "pytorch_half_pixel"))
    return out == 1 ? 0 : (i + 0.5) / a->scale - 0.5;
  if (attr_is(node, "coordinate_transformation_mode", "half_pixel_symmetric"))
    return in / 2 * (1 - (double)a->out / out) + (i + 0.5) / a->scale - 0.5;
  if (attr_is(node, "coordinate_transformation_mode", "tf_crop_and_resize"))
    return out == 1 ? (a->from + a->to) * last / 2
                    : a->from * last + i * (a->to - a->from) * last / (out - 1);
  return (i + 0.5) / a->scale - 0.5;
}

static inline double filter_at(const ig_node *node, double distance) {
  double d = fabs(distance), a = attr_float(node, "cubic_coeff_a");
  if (attr_is(node, "mode", "linear")) return fmax(0, 1 - d);
  if (d <= 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
  return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0;
}

/* weight[j] of input j for the output coordinate x; false when x lies outside the crop. */
static inline bool resize_weights(const ig_node *node, const resize_axis *a, double x,
                                  double *weight) {
  for (int64_t j = 0; j < a->in; j++) weight[j] = 0;
  if (attr_is(node, "coordinate_transformation_mode", "tf_crop_and_resize") &&
      (x < 0 || x > (double)(a->in - 1)))
    return false;
  if (attr_is(node, "mode", "nearest")) {
    double at = floor(x), rest = x - at;
    bool up = attr_is(node, "nearest_mode", "ceil")                ? rest > 0
              : attr_is(node, "nearest_mode", "floor")             ? false
              : attr_is(node, "nearest_mode", "round_prefer_ceil") ? rest >= 0.5
                                                                   : rest > 0.5;
    int64_t j = (int64_t)at + up;
    weight[j < 0 ? 0 : j >= a->in ? a->in - 1 : j] = 1;
    return true;
  }
  double stretch = attr_int(node, "antialias") ? fmin(a->scale, 1) : 1, sum = 0;
  for (int64_t j = -4 * a->in - 8; j < 5 * a->in + 8; j++) {
    double w = filter_at(node, ((double)j - x) * stretch);
    if (attr_int(node, "exclude_outside") && (j < 0 || j >= a->in)) continue;
    weight[j < 0 ? 0 : j >= a->in ? a->in - 1 : j] += w;
    sum += w;
  }
  for (int64_t j = 0; j < a->in; j++) weight[j] /= sum;
  return true;
}

/* Adds `factor` times the product of weights at every input coordinate of one output element to
 * in[...] += value (transposed), or returns the weighted sum of in[...]. */
static inline double resize_element(const ig_shape *shape, double *const *weights, double *in,
                                    bool transposed, double value) {
  double sum = 0;
  int64_t at[IG_MAX_RANK];
  for (int64_t i = 0; i < ig_shape_count(shape); i++) {
    double w = 1;
    index_of(shape, i, at);
    for (int d = 0; d < shape->rank; d++) w *= weights[d][at[d]];
    if (transposed) in[i] += w * value;
    sum += w * in[i];
  }
  return sum;
}

/* y from x, or x from y. `scales` is in[2] and `sizes` in[3] of the node, which have every axis. */
static inline void resize_all(const ig_node *node, const ig_case_array *in, const ig_shape *small,
                              double *x, const ig_shape *large, double *y, bool transposed) {
  resize_axis axes[IG_MAX_RANK];
  double *weights[IG_MAX_RANK];
  bool by_scales = in[2].data && count_of(&in[2]) > 0;
  for (int d = 0; d < small->rank; d++) {
    axes[d] = (resize_axis){.in = small->dims[d], .out = large->dims[d], .from = 0, .to = 1};
    axes[d].scale = by_scales ? in[2].data[d] : (double)large->dims[d] / (double)small->dims[d];
    if (in[1].data && count_of(&in[1]) > 0) {
      axes[d].from = in[1].data[d];
      axes[d].to = in[1].data[small->rank + d];
    }
    weights[d] = ig_alloc((size_t)small->dims[d] * sizeof(double));
  }
  for (int64_t i = 0; i < ig_shape_count(large); i++) {
    int64_t at[IG_MAX_RANK];
    bool inside = true;
    index_of(large, i, at);
    for (int d = 0; d < small->rank; d++) {
      double c = coordinate(node, &axes[d], (double)at[d]);
      inside = resize_weights(node, &axes[d], c, weights[d]) && inside;
    }
    double value = inside ? resize_element(small, weights, x, transposed, transposed ? y[i] : 0)
                          : attr_float(node, "extrapolation_value");
    if (!transposed) y[i] = value;
  }
  for (int d = 0; d < small->rank; d++) ig_free(weights[d]);
}

#define SCALES(...) LIST_AS(IG_F32, true, __VA_ARGS__)
#define MODE(value) A_STRING("mode", value)
#define TRANSFORM(value) A_STRING("coordinate_transformation_mode", value)

#endif
