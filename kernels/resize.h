/* Resampling along one dimension as a sparse linear map, which a resize is made of: one axis after
 * another. Its transpose is the gradient. */
#ifndef IG_KERNELS_RESIZE_H
#define IG_KERNELS_RESIZE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/dtype.h"
#include "engine/base/status.h"

/* out[j] = sum over t < taps of weight[j * taps + t] * in[index[j * taps + t]], or `outside` where
 * index[j * taps] is negative. */
typedef struct ig_resample {
  int64_t in, out, taps;
  const int64_t *index;
  const double *weight;
  double outside;
} ig_resample;

/* x is [outer, in, inner], y [outer, out, inner]. */
void ig_cpu_resample_f32(const ig_resample *axis, int64_t outer, int64_t inner, const float *x,
                         float *y);
void ig_cpu_resample_f64(const ig_resample *axis, int64_t outer, int64_t inner, const double *x,
                         double *y);
/* dx [outer, in, inner] from dy [outer, out, inner], by the transposed map. */
void ig_cpu_resample_grad_f32(const ig_resample *axis, int64_t outer, int64_t inner,
                              const float *dy, float *dx);
void ig_cpu_resample_grad_f64(const ig_resample *axis, int64_t outer, int64_t inner,
                              const double *dy, double *dx);

/* On a GPU: forward, or `transposed` dx from dy, from one of f32, bf16, f16, i8 and u8 to another. The map is
 * on the host; extents are below 2^31. `workspace` is device memory. */
size_t ig_cuda_resample_workspace(int64_t in, int64_t out, int64_t taps);
ig_status ig_cuda_resample(const ig_resample *axis, bool transposed, ig_dtype from, ig_dtype to,
                           int64_t outer, int64_t inner, const void *x, void *y, void *workspace,
                           void *stream);

#endif
