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

/* --- on a CUDA device: all pointers are device memory, work is queued on `stream` --------------- */

/* What is read when running. A ratio outside [0, 1), which no host sees, makes all results NaN. */
typedef struct ig_dropout_scalars {
  const uint64_t *seed, *step, *first_sample;
  const void *ratio;       /* of ratio_dtype; NULL is 0.5 */
  const uint8_t *training; /* unless it is given and true, the input is passed on */
  ig_dtype ratio_dtype;
} ig_dropout_scalars;

/* The same bits as ig_cpu_dropout for a seed of *seed ^ salt. f32, bf16, f16. */
ig_status ig_cuda_dropout(ig_dtype dtype, const ig_dropout_scalars *scalars, uint64_t salt,
                          int64_t samples, int64_t sample_elements, const void *x, void *y,
                          uint8_t *mask, void *stream);
/* y[i] = mask[i] ? x[i] / (1 - ratio) : 0, or without training the factor 1. */
ig_status ig_cuda_dropout_grad(ig_dtype dtype, const ig_dropout_scalars *scalars, const void *x,
                               const uint8_t *mask, int64_t count, void *y, void *stream);

#endif
