/* Memory orders of an activation [N, C, H, W]; shapes are always given in that logical order. Here,
 * below graph and kernels, since both speak of it. */
#ifndef IG_BASE_LAYOUT_H
#define IG_BASE_LAYOUT_H

#include <stdint.h>

typedef enum ig_layout {
  IG_LAYOUT_ROWS = 0,   /* row-major in logical order */
  IG_LAYOUT_NHWC = 1,   /* channels last */
  IG_LAYOUT_BLOCK16 = 2 /* nChw16c: blocks of 16 channels innermost, zero-padded */
} ig_layout;

/* Channels per innermost block of IG_LAYOUT_BLOCK16. */
#define IG_LAYOUT_BLOCK 16

/* Element [n, c, h, w] of a tensor of `dims` in memory, and the elements that it takes there. */
static inline int64_t ig_layout_offset(ig_layout layout, const int64_t dims[4], int64_t n,
                                       int64_t c, int64_t h, int64_t w) {
  int64_t channels = dims[1], area = dims[2] * dims[3], p = h * dims[3] + w;
  if (layout == IG_LAYOUT_NHWC) return (n * area + p) * channels + c;
  if (layout == IG_LAYOUT_ROWS) return (n * channels + c) * area + p;
  int64_t blocks = (channels + IG_LAYOUT_BLOCK - 1) / IG_LAYOUT_BLOCK;
  return ((n * blocks + c / IG_LAYOUT_BLOCK) * area + p) * IG_LAYOUT_BLOCK + c % IG_LAYOUT_BLOCK;
}

static inline int64_t ig_layout_count(ig_layout layout, const int64_t dims[4]) {
  int64_t channels = dims[1];
  if (layout == IG_LAYOUT_BLOCK16) {
    channels = (channels + IG_LAYOUT_BLOCK - 1) / IG_LAYOUT_BLOCK * IG_LAYOUT_BLOCK;
  }
  return dims[0] * channels * dims[2] * dims[3];
}

#endif
