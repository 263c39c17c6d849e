/* Memory orders of an activation [N, C, H, W]; shapes are always given in that logical order. Here,
 * below graph and kernels, since both speak of it. */
#ifndef IG_BASE_LAYOUT_H
#define IG_BASE_LAYOUT_H

typedef enum ig_layout {
  IG_LAYOUT_ROWS = 0,  /* row-major in logical order */
  IG_LAYOUT_NHWC = 1,  /* channels last */
  IG_LAYOUT_BLOCK16 = 2 /* nChw16c: blocks of 16 channels innermost, zero-padded */
} ig_layout;

/* Channels per innermost block of IG_LAYOUT_BLOCK16. */
#define IG_LAYOUT_BLOCK 16

#endif
