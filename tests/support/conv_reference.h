/* Convolution in float64 as a scatter: each input element meets each tap of the filter and adds to
 * the output that they reach. The kernels gather instead, so that a shared slip is unlikely. */
#ifndef IG_TESTS_CONV_REFERENCE_H
#define IG_TESTS_CONV_REFERENCE_H

#include <string.h>

#include "engine/passes/rewrite.h"
#include "op_case.h"

/* What an attribute list says for height and width; 1-d cases have height 1. */
typedef struct window_numbers {
  int64_t kernel[2], stride[2], dilation[2], begin[2], group;
} window_numbers;

static inline void find_ints(const ig_node *node, const char *name, int spatial, int from,
                      int64_t fallback, int64_t out[2]) {
  ig_attr list[IG_MOST_ATTRS];
  int n = ig_attr_list(node, list);
  out[0] = out[1] = fallback;
  for (int i = 0; i < n; i++) {
    if (strcmp(list[i].name, name) != 0) continue;
    for (int d = 0; d < spatial; d++) out[2 - spatial + d] = list[i].ints.v[from + d];
  }
}

static inline void four_dims(const ig_shape *shape, int64_t d[4]) {
  d[0] = shape->dims[0];
  d[1] = shape->dims[1];
  d[2] = shape->rank == 4 ? shape->dims[2] : 1;
  d[3] = shape->dims[shape->rank - 1];
}

/* Pads at the beginning: explicit, or from auto_pad and the extents of the long and short side. */
static inline void find_begin(const ig_node *node, int spatial, const int64_t *longer,
                       const int64_t *shorter, window_numbers *w) {
  const char *mode = ig_attr_string_of(node, "auto_pad", "NOTSET");
  int64_t shape[2]; /* of a transposed convolution's output: pads follow as for SAME_LOWER */
  find_ints(node, "pads", spatial, 0, 0, w->begin);
  find_ints(node, "output_shape", spatial, 0, 0, shape);
  for (int i = 0; i < 2; i++) {
    int64_t all = (shorter[i] - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1;
    int64_t pad = all > longer[i] ? all - longer[i] : 0;
    if (strcmp(mode, "SAME_UPPER") == 0) w->begin[i] = pad / 2;
    if (strcmp(mode, "SAME_LOWER") == 0 || shape[i]) w->begin[i] = (pad + 1) / 2;
    if (strcmp(mode, "VALID") == 0) w->begin[i] = 0;
  }
}

static inline void find_window(const ig_node *node, int spatial, const int64_t *kernel,
                        window_numbers *w) {
  w->kernel[0] = w->kernel[1] = 1;
  find_ints(node, "kernel_shape", spatial, 0, 1, w->kernel);
  for (int i = 0; kernel && i < spatial; i++) w->kernel[2 - spatial + i] = kernel[i];
  find_ints(node, "strides", spatial, 0, 1, w->stride);
  find_ints(node, "dilations", spatial, 0, 1, w->dilation);
  w->group = ig_attr_int_of(node, "group", 1);
}

/* Calls back for every product of a convolution from `src` to `dst`, with element offsets into
 * src, filter and dst. */
typedef void conv_visit(void *context, int64_t src, int64_t filter, int64_t dst);
static inline void visit_conv(const int64_t src[4], const int64_t dst[4], const window_numbers *w,
                       conv_visit *visit, void *context) {
  int64_t in_group = src[1] / w->group, out_group = dst[1] / w->group;
  for (int64_t n = 0; n < src[0]; n++)
    for (int64_t c = 0; c < src[1]; c++)
      for (int64_t y = 0; y < src[2]; y++)
        for (int64_t x = 0; x < src[3]; x++)
          for (int64_t i = 0; i < w->kernel[0]; i++)
            for (int64_t j = 0; j < w->kernel[1]; j++) {
              int64_t p = y + w->begin[0] - i * w->dilation[0];
              int64_t q = x + w->begin[1] - j * w->dilation[1];
              if (p < 0 || q < 0 || p % w->stride[0] || q % w->stride[1]) continue;
              p /= w->stride[0];
              q /= w->stride[1];
              if (p >= dst[2] || q >= dst[3]) continue;
              for (int64_t o = 0; o < out_group; o++) {
                int64_t oc = c / in_group * out_group + o;
                int64_t filter = ((oc * in_group + c % in_group) * w->kernel[0] + i) * w->kernel[1];
                visit(context, ((n * src[1] + c) * src[2] + y) * src[3] + x, filter + j,
                      ((n * dst[1] + oc) * dst[2] + p) * dst[3] + q);
              }
            }
}

/* Which of the three each callback sums into. */
typedef struct conv_arrays {
  double *src, *filter, *dst;
} conv_arrays;
static inline void sum_dst(void *context, int64_t s, int64_t f, int64_t d) {
  conv_arrays *a = context;
  a->dst[d] += a->src[s] * a->filter[f];
}
static inline void sum_src(void *context, int64_t s, int64_t f, int64_t d) {
  conv_arrays *a = context;
  a->src[s] += a->dst[d] * a->filter[f];
}
static inline void sum_filter(void *context, int64_t s, int64_t f, int64_t d) {
  conv_arrays *a = context;
  a->filter[f] += a->src[s] * a->dst[d];
}

static inline void add_channels(const int64_t d[4], const double *bias, double *y) {
  for (int64_t i = 0; bias && i < d[0] * d[1] * d[2] * d[3]; i++)
    y[i] += bias[i / (d[2] * d[3]) % d[1]];
}

#define DIMS(...)                                                                                  \
  {                                                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {                                   \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define TENSOR(...)                                                                                \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__) }
#define FILTER(...)                                                                                \
  { .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .constant = true }
#define LIST(n, ...)                                                                               \
  {                                                                                                \
    .name = (n), .type = IG_ATTR_INTS, .ints = {                                                   \
      (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                                   \
      (const int64_t[]){__VA_ARGS__}                                                               \
    }                                                                                              \
  }
#define NUMBER(n, value)                                                                           \
  { .name = (n), .type = IG_ATTR_INT, .i = (value) }
#define WORD(n, value)                                                                             \
  { .name = (n), .type = IG_ATTR_STRING, .s = (value) }

#endif
