/* Resampling along one dimension as a sparse linear map, which a resize is made of: one axis after
 * another. Its transpose is the gradient. */
#ifndef IG_KERNELS_RESIZE_H
#define IG_KERNELS_RESIZE_H

#include <stddef.h>
#include <stdint.h>

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

#endif
