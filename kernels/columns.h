/* Blocks of an image as columns, and columns added back into an image (PyTorch's unfold and fold), in any
 * number of spatial dimensions. */
#ifndef IG_KERNELS_COLUMNS_H
#define IG_KERNELS_COLUMNS_H

#include "engine/base/dtype.h"

#define IG_COLUMNS_MOST 6

/* Images are [planes, image...], columns [planes, block..., count...]: element k of the block at place l
 * is pixel l * stride - pad + k * dilation, in each dimension. */
typedef struct ig_columns {
  int rank;
  int64_t planes;
  int64_t image[IG_COLUMNS_MOST], block[IG_COLUMNS_MOST], count[IG_COLUMNS_MOST];
  int64_t stride[IG_COLUMNS_MOST], dilation[IG_COLUMNS_MOST], pad[IG_COLUMNS_MOST];
} ig_columns;

/* Pixels outside are 0. Any type. */
void ig_cpu_image_to_columns(ig_dtype dtype, const ig_columns *c, const void *image, void *columns);
/* The sum over all that a pixel is copied to. Numbers and bool, in f64 or 64-bit integers that wrap. */
void ig_cpu_columns_to_image(ig_dtype dtype, const ig_columns *c, const void *columns, void *image);

#endif
