/* Batch normalisation (Ioffe and Szegedy 2015) over channels, in any of the engine's memory orders,
 * optionally with a residual added and ReLU applied to the result in the same pass. Sums are made over
 * segments that depend on the shape alone, so that results do not depend on the number of threads. */
#ifndef IG_KERNELS_BATCH_NORM_H
#define IG_KERNELS_BATCH_NORM_H

#include <stdbool.h>

#include "engine/base/dtype.h"
#include "engine/base/status.h"

/* Element (n, c, s) lies at n * outer_stride + (c / block) * block_stride + s * row_stride +
 * c % block. `block` is 1 (row_stride then is 1) or 16; with `padded`, lanes beyond the last channel
 * exist, are zero, and stay zero. */
typedef struct ig_channels {
  int64_t outer, channels, inner;
  int64_t block, outer_stride, block_stride, row_stride;
  bool padded;
} ig_channels;

typedef struct ig_batch_norm {
  ig_channels at;
  double epsilon;
  bool relu;
} ig_batch_norm;

/* y = (x - mean) / sqrt(variance + epsilon) * scale + bias, plus the residual where there is one, then
 * ReLU where asked. Per channel: scale, bias, mean, variance. With `batch_stats`, mean and variance
 * are outputs: those of x, the variance over N elements. y may be x or residual; NULL asks for the
 * statistics alone. */
typedef struct ig_batch_norm_forward {
  const float *x, *residual, *scale, *bias;
  float *mean, *variance, *y;
  bool batch_stats;
} ig_batch_norm_forward;

size_t ig_cpu_batch_norm_workspace(const ig_batch_norm *norm);
void ig_cpu_batch_norm_f32(const ig_batch_norm *norm, const ig_batch_norm_forward *t,
                           void *workspace);

/* The gradient. With ReLU, dy counts where y > 0 when `y` is given, otherwise where the normalised x
 * comes out positive; `bias` is needed for the latter alone. `dresidual`, where not NULL, gets dy so
 * masked. Without `batch_stats`, mean and variance are taken as constants. dx or dresidual may be
 * dy. */
typedef struct ig_batch_norm_backward {
  const float *dy, *x, *y, *scale, *bias, *mean, *variance;
  float *dx, *dscale, *dbias, *dresidual;
  bool batch_stats;
} ig_batch_norm_backward;

void ig_cpu_batch_norm_grad_f32(const ig_batch_norm *norm, const ig_batch_norm_backward *t,
                                void *workspace);

/* --- any float types, in f64 ------------------------------------------------------------------- */

/* Types of x, y and their gradients; of scale, bias and theirs; of mean and variance. */
typedef struct ig_batch_norm_types {
  ig_dtype x, scale, stats;
} ig_batch_norm_types;

typedef struct ig_batch_norm_any {
  const void *dy, *x, *residual, *y, *scale, *bias;
  void *mean, *variance; /* outputs with batch_stats in the forward direction, else inputs */
  void *out, *dx, *dscale, *dbias, *dresidual;
  bool batch_stats;
} ig_batch_norm_any;

void ig_cpu_batch_norm_reference(const ig_batch_norm *norm, ig_batch_norm_types types,
                                 const ig_batch_norm_any *t);
void ig_cpu_batch_norm_grad_reference(const ig_batch_norm *norm, ig_batch_norm_types types,
                                      const ig_batch_norm_any *t);

/* --- on a GPU: x in f32, bf16 or f16, statistics in f32, in the memory orders without padding ---- */

/* With batch_stats: new = momentum * old + (1 - momentum) * batch, where new is not NULL. */
typedef struct ig_batch_norm_running {
  double momentum;
  ig_dtype dtype;
  const void *old_mean, *old_variance;
  void *new_mean, *new_variance;
} ig_batch_norm_running;

size_t ig_cuda_batch_norm_workspace(const ig_batch_norm *norm, ig_dtype dtype);
/* With batch_stats, mean and variance are f32. */
ig_status ig_cuda_batch_norm(const ig_batch_norm *norm, ig_batch_norm_types types,
                             const ig_batch_norm_any *t, const ig_batch_norm_running *running,
                             void *workspace, void *stream);
size_t ig_cuda_batch_norm_grad_workspace(const ig_batch_norm *norm, ig_dtype dtype);
ig_status ig_cuda_batch_norm_grad(const ig_batch_norm *norm, ig_batch_norm_types types,
                                  const ig_batch_norm_any *t, void *workspace, void *stream);

#endif
