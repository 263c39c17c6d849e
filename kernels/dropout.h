/* Dropout: a mask drawn by sample, so that it depends on neither batch, rank nor thread. */
#ifndef IG_KERNELS_DROPOUT_H
#define IG_KERNELS_DROPOUT_H

#include "engine/base/dtype.h"

/* Where the random numbers come from: element i of sample n is number i of the stream (seed,
 * IG_RNG_DROPOUT, step, first_sample + n). */
typedef struct ig_dropout_draw {
  uint64_t seed, step, first_sample;
  int64_t samples, sample_elements;
} ig_dropout_draw;

/* y[i] = x[i] / (1 - ratio), or 0 with probability `ratio`, in [0, 1); y may be x. mask[i] (u8, NULL
 * when it is not wanted) is 1 where x[i] was kept. */
void ig_cpu_dropout(ig_dtype dtype, const ig_dropout_draw *draw, double ratio, const void *x,
                    void *y, uint8_t *mask);
/* y[i] = mask[i] ? x[i] * scale : 0; y may be x. */
void ig_cpu_masked_scale(ig_dtype dtype, const void *x, const uint8_t *mask, double scale,
                         int64_t count, void *y);

#endif
