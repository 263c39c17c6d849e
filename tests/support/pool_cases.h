/* Geometries of poolings, with their float64 definition. Channels lie around the sixteen that
 * kernels take at once. */
#ifndef IG_TESTS_POOL_CASES_H
#define IG_TESTS_POOL_CASES_H

#include <math.h>

#include "conv_reference.h"

typedef struct pool_window {
  int64_t src[4], dst[4], kernel[2], stride[2], dilation[2], begin[2], end[2];
} pool_window;

static void find_pool(const ig_node *node, const ig_shape *in, const ig_shape *out,
                      pool_window *p) {
  window_numbers w;
  int spatial = in->rank - 2;
  four_dims(in, p->src);
  four_dims(out, p->dst);
  find_window(node, spatial, NULL, &w);
  find_begin(node, spatial, p->src + 2, p->dst + 2, &w);
  find_ints(node, "pads", spatial, spatial, 0, p->end);
  memcpy(p->kernel, w.kernel, sizeof w.kernel);
  memcpy(p->stride, w.stride, sizeof w.stride);
  memcpy(p->dilation, w.dilation, sizeof w.dilation);
  memcpy(p->begin, w.begin, sizeof w.begin);
  for (int i = 0; i < 2; i++) { /* of auto_pad, what the beginning leaves */
    if (strcmp(ig_attr_string_of(node, "auto_pad", "NOTSET"), "NOTSET") == 0) continue;
    int64_t all = (p->dst[2 + i] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1;
    p->end[i] = IG_MAX(all - p->src[2 + i], 0) - w.begin[i];
  }
}

/* Position in src's plane of tap [i, j] of the window at [row, column], or -1; `counts` tells
 * whether it lies within src and its pads. */
static int64_t tap_place(const pool_window *p, int64_t row, int64_t column, int64_t i, int64_t j,
                         bool *counts) {
  int64_t h = row * p->stride[0] + i * p->dilation[0] - p->begin[0];
  int64_t w = column * p->stride[1] + j * p->dilation[1] - p->begin[1];
  *counts = h < p->src[2] + p->end[0] && w < p->src[3] + p->end[1];
  bool inside = h >= 0 && h < p->src[2] && w >= 0 && w < p->src[3];
  return inside ? h * p->src[3] + w : -1;
}

typedef struct pool_result {
  double value;  /* maximum or mean */
  int64_t place; /* of the maximum in its plane */
  int64_t tap;
  double count; /* that the mean divides by */
} pool_result;

static inline pool_result window_of(const pool_window *p, const double *plane, int64_t row,
                                    int64_t column, bool mean, bool count_pads) {
  pool_result r = {.value = mean ? 0 : -INFINITY};
  for (int64_t i = 0; i < p->kernel[0]; i++) {
    for (int64_t j = 0; j < p->kernel[1]; j++) {
      bool counts;
      int64_t at = tap_place(p, row, column, i, j, &counts);
      r.count += count_pads ? counts : at >= 0;
      if (at < 0 || !plane) continue;
      if (mean) {
        r.value += plane[at];
      } else if (plane[at] > r.value) {
        r = (pool_result){plane[at], at, i * p->kernel[1] + j, r.count};
      }
    }
  }
  if (mean) r.value /= r.count;
  return r;
}

#define POOL_GEOMETRIES(G)                                                                         \
  G("halving", (2, 16, 6, 4), (2, 16, 3, 2), 2, LIST("kernel_shape", 2, 2), LIST("strides", 2, 2)) \
  G("a rest", (1, 19, 7, 5), (1, 19, 3, 2), 2, LIST("kernel_shape", 2, 2), LIST("strides", 2, 2))  \
  G("overlapping, padded", (2, 17, 7, 8), (2, 17, 4, 4), 3, LIST("kernel_shape", 3, 3), PAD1,      \
    LIST("strides", 2, 2))                                                                         \
  G("rounded up", (1, 5, 8, 6), (1, 5, 4, 3), 3, LIST("kernel_shape", 3, 2),                       \
    LIST("strides", 2, 2), NUMBER("ceil_mode", 1))                                                 \
  G("rounded up, none starts in the pad", (1, 2, 4, 5), (1, 2, 2, 3), 4,                           \
    LIST("kernel_shape", 2, 2), LIST("strides", 3, 2), LIST("pads", 1, 0, 1, 1),                   \
    NUMBER("ceil_mode", 1))                                                                        \
  G("dilated", (1, 33, 6, 7), (1, 33, 4, 3), 3, LIST("kernel_shape", 2, 3),                        \
    LIST("dilations", 2, 2), LIST("strides", 1, 1))                                                \
  G("uneven pads", (1, 3, 5, 5), (1, 3, 6, 5), 2, LIST("kernel_shape", 3, 2),                      \
    LIST("pads", 2, 0, 1, 1))                                                                      \
  G("same upper", (1, 3, 5, 6), (1, 3, 3, 3), 3, LIST("kernel_shape", 2, 3),                       \
    LIST("strides", 2, 2), WORD("auto_pad", "SAME_UPPER"))                                         \
  G("same lower", (1, 3, 5, 6), (1, 3, 3, 3), 3, LIST("kernel_shape", 2, 3),                       \
    LIST("strides", 2, 2), WORD("auto_pad", "SAME_LOWER"))                                         \
  G("one dimension", (2, 3, 9), (2, 3, 5), 3, LIST("kernel_shape", 3), LIST("strides", 2),         \
    LIST("pads", 1, 1))                                                                            \
  G("whole plane", (2, 20, 3, 4), (2, 20, 1, 1), 1, LIST("kernel_shape", 3, 4))                    \
  G("large", (4, 32, 24, 24), (4, 32, 12, 12), 2, LIST("kernel_shape", 2, 2), LIST("strides", 2, 2))

#define PAD1 LIST("pads", 1, 1, 1, 1)
#define DISTINCT(...)                                                                              \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_DISTINCT }

#endif
