/* GridSample in float64: one coordinate after the other, by recursion over the axes, as interpolation of
 * interpolations; each element of the input is found by a function of its own. */
#ifndef IG_TESTS_GRID_SAMPLE_CASES_H
#define IG_TESTS_GRID_SAMPLE_CASES_H

#include "twin_cases.h"

static double grid_mirror(double x, double low, double high) {
  if (high <= low) return low;
  while (x < low || x > high) x = x < low ? 2 * low - x : 2 * high - x;
  return x;
}

/* Element `i` along axis `axis` of a plane, then on. */
static double grid_read(const ig_node *node, const ig_shape *x, const double *data, int axis,
                        const double *where);

static double grid_element(const ig_node *node, const ig_shape *x, const double *data, int axis,
                           const double *where, double i) {
  double n = (double)x->dims[axis];
  bool corners = attr_int(node, "align_corners") != 0;
  if (attr_is(node, "padding_mode", "zeros") && (i < 0 || i >= n)) return 0;
  if (attr_is(node, "padding_mode", "border")) i = fmax(0, fmin(n - 1, i));
  if (attr_is(node, "padding_mode", "reflection")) {
    i = trunc(grid_mirror(i, corners ? 0 : -0.5, corners ? n - 1 : n - 0.5));
  }
  return grid_read(node, x, data + (int64_t)i * ig_shape_span(x, axis + 1, x->rank), axis + 1, where);
}

static double grid_read(const ig_node *node, const ig_shape *x, const double *data, int axis,
                        const double *where) {
  if (axis == x->rank) return data[0];
  double n = (double)x->dims[axis], at = where[x->rank - 1 - axis];
  bool corners = attr_int(node, "align_corners") != 0;
  at = corners ? (at + 1) * (n - 1) / 2 : (at + 1) * n / 2 - 0.5;
  if (attr_is(node, "mode", "nearest")) at = nearbyint(at);
  double low = corners ? 0 : -0.5, high = corners ? n - 1 : n - 0.5;
  if (attr_is(node, "padding_mode", "border") && (at < low || at > high)) at = fmax(0, fmin(n - 1, at));
  if (attr_is(node, "padding_mode", "reflection")) at = grid_mirror(at, low, high);
  if (attr_is(node, "mode", "nearest")) return grid_element(node, x, data, axis, where, trunc(at));
  double first = floor(at), t = at - first, y = 0;
  if (attr_is(node, "mode", "linear")) {
    return (1 - t) * grid_element(node, x, data, axis, where, first) +
           t * grid_element(node, x, data, axis, where, first + 1);
  }
  for (int k = -1; k < 3; k++) { /* Catmull-Rom's shape with -0.75 for -0.5 */
    double d = fabs(t - k), a = -0.75;
    double w = d <= 1 ? (a + 2) * d * d * d - (a + 3) * d * d + 1
                      : a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a;
    y += w * grid_element(node, x, data, axis, where, first + k);
  }
  return y;
}

static void grid_sample_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axes = in[0].shape.rank - 2;
  int64_t area = ig_shape_span(&out->shape, 2, out->shape.rank), channels = out->shape.dims[1];
  int64_t plane = ig_shape_span(&in[0].shape, 2, in[0].shape.rank);
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t n = i / area / channels, p = n * area + i % area;
    out->data[i] =
        grid_read(node, &in[0].shape, in[0].data + i / area * plane, 2, in[1].data + p * axes);
  }
}

/* Places within the input and beyond it, none on a kink. */
#define GRID(type, ...)                                                                            \
  {.dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = -1.6, .high = 1.6}
#define GRID_CASES(G)                                                                              \
  G("linear", (1, 2, 3, 4), (1, 2, 3, 2), (1, 2, 2, 3), A_INT("align_corners", 0))                 \
  G("linear, corners", (2, 1, 3, 4), (2, 2, 3, 2), (2, 1, 2, 3), A_INT("align_corners", 1))        \
  G("cubic, mirrored", (1, 2, 4, 5), (1, 2, 3, 2), (1, 2, 2, 3), A_STRING("mode", "cubic"),        \
    A_STRING("padding_mode", "reflection"))                                                        \
  G("cubic", (1, 2, 4, 5), (1, 2, 3, 2), (1, 2, 2, 3), A_STRING("mode", "cubic"))                  \
  G("linear, border", (1, 2, 4, 5), (1, 2, 3, 2), (1, 2, 2, 3),                                    \
    A_STRING("padding_mode", "border"))                                                            \
  G("linear volume, mirrored at corners", (1, 2, 2, 3, 4), (1, 2, 1, 3, 3), (1, 2, 2, 1, 3),       \
    A_STRING("padding_mode", "reflection"), A_INT("align_corners", 1))                             \
  G("nearest volume", (1, 2, 2, 3, 4), (1, 2, 1, 3, 3), (1, 2, 2, 1, 3),                           \
    A_STRING("mode", "nearest"))
#define GRID_ATTRS(...)                                                                            \
  .n_attrs = (int)(sizeof((ig_attr[]){__VA_ARGS__}) / sizeof(ig_attr)), .attrs = {__VA_ARGS__}

#endif
