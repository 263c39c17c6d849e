/* Pooling: maxima and means over sliding windows, in two spatial dimensions. `lanes` kernels
 * take f32, bf16 and f16 and work on up to sixteen channels at once where the layout has them
 * side by side; `reference` kernels take any dtype, in double. */
#ifndef IG_KERNELS_POOL_H
#define IG_KERNELS_POOL_H

#include "engine/base/layout.h"
#include "engine/base/shape.h"
#include "engine/base/status.h"
#include "kernels/depth.h"

typedef struct ig_pool {
  ig_dtype dtype;
  ig_layout layout;       /* of both tensors */
  int64_t src[4], dst[4]; /* N, C, H, W */
  int64_t kernel[2], stride[2], dilation[2], begin[2], end[2];
  ig_depth depth;  /* a third spatial dimension, for the volume kernels alone */
  bool count_pads; /* means: pads count as zeros, as far as the pads go */
} ig_pool;

/* A tap is the place of an element within its window, i * kernel width + j; windows of more than
 * this many taps have no place in a byte. */
#define IG_POOL_MOST_TAPS 256

/* y is the maximum of each window over the elements inside src, NaN where one is NaN, the lowest
 * number where there are none; `taps` tells, unless it is NULL, where the first maximum was. */
void ig_cpu_max_pool_lanes(const ig_pool *pool, const void *x, void *y, uint8_t *taps);
void ig_cpu_max_pool_reference(const ig_pool *pool, const void *x, void *y, uint8_t *taps);
/* dx gets each dy where its tap says, and zero elsewhere. */
void ig_cpu_max_pool_grad_lanes(const ig_pool *pool, const void *dy, const uint8_t *taps, void *dx);
void ig_cpu_max_pool_grad_reference(const ig_pool *pool, const void *dy, const uint8_t *taps,
                                    void *dx);
/* Position of each maximum in x, counted in row-major or (`column_major`) column-major order of its
 * plane after all planes before. Layout rows, where windows have at most 256 taps or not. */
void ig_cpu_max_pool_indices(const ig_pool *pool, const void *x, bool column_major,
                             int64_t *indices);

void ig_cpu_mean_pool_lanes(const ig_pool *pool, const void *x, void *y);
void ig_cpu_mean_pool_reference(const ig_pool *pool, const void *x, void *y);
void ig_cpu_mean_pool_grad_lanes(const ig_pool *pool, const void *dy, void *dx);
void ig_cpu_mean_pool_grad_reference(const ig_pool *pool, const void *dy, void *dx);

/* With a depth or without, row-major, any dtype, in double. `indices` and `taps` may be NULL. */
void ig_cpu_max_pool_volume(const ig_pool *pool, const void *x, void *y, uint8_t *taps);
void ig_cpu_max_pool_volume_indices(const ig_pool *pool, const void *x, bool column_major,
                                    int64_t *indices);
void ig_cpu_mean_pool_volume(const ig_pool *pool, const void *x, void *y);
/* Of maxima with `taps`, of means without. */
void ig_cpu_pool_volume_grad(const ig_pool *pool, const void *dy, const uint8_t *taps, void *dx);
/* y = (sum |x|^p)^(1/p) over each window, `p` at least 1. */
void ig_cpu_lp_pool(const ig_pool *pool, double p, const void *x, void *y);

/* On a GPU: f32, bf16 and f16 (maxima also of u8) in rows or channels last; every number of the description is below
 * 2^30. `taps` and `indices` (rows alone) may be NULL. */
ig_status ig_cuda_max_pool(const ig_pool *pool, const void *x, void *y, uint8_t *taps,
                           int64_t *indices, bool column_major, void *stream);
ig_status ig_cuda_mean_pool(const ig_pool *pool, const void *x, void *y, void *stream);
/* Of maxima with `taps`, of means without. */
ig_status ig_cuda_pool_grad(const ig_pool *pool, const void *dy, const uint8_t *taps, void *dx,
                            void *stream);

#endif
