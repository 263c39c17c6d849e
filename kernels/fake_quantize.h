/* Quantization as training sees it: numbers rounded to the places that integers times a scale leave them,
 *   y = s clamp(round(x / s), low, high),   s = |scale|, at least IG_FAKE_LEAST_SCALE,
 * rounded half to even; NaN stays NaN. A zero point z of integers from least to most is in the bounds: low is
 * least - z, high is most - z. The gradient passes the rounding straight through and learns the scale
 * (Esser et al. 2020, "Learned step size quantization", equations 3 and 5):
 *   dx = dy where low <= x / s <= high, else 0
 *   ds = grad_scale sum of dy (round(x / s) - x / s) there, dy low below, dy high above. */
#ifndef IG_KERNELS_FAKE_QUANTIZE_H
#define IG_KERNELS_FAKE_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/base/status.h"

#define IG_FAKE_LEAST_SCALE 0x1p-100f

/* A tensor [outer, channels, inner], row-major, with one scale a channel. */
typedef struct ig_fake_quantize {
  int64_t outer, channels, inner;
  float low, high;  /* whole, at most 2^22 in magnitude */
  float grad_scale; /* of ds */
} ig_fake_quantize;

/* y may be x. */
void ig_cpu_fake_quantize(const ig_fake_quantize *q, const float *x, const float *scale, float *y);

/* Bytes of partial sums; their number depends on the sizes alone, so that sums do not depend on threads. */
size_t ig_cpu_fake_quantize_grad_workspace(const ig_fake_quantize *q);
/* dx may be dy; `dx` or `dscale` may be NULL. */
void ig_cpu_fake_quantize_grad(const ig_fake_quantize *q, const float *dy, const float *x,
                               const float *scale, float *dx, float *dscale, void *workspace);

/* --- on a CUDA device -------------------------------------------------------------------------- */

ig_status ig_cuda_fake_quantize(const ig_fake_quantize *q, const float *x, const float *scale,
                                float *y, void *stream);
size_t ig_cuda_fake_quantize_grad_workspace(const ig_fake_quantize *q);
/* As on the CPU, except that `dscale` is wanted always. */
ig_status ig_cuda_fake_quantize_grad(const ig_fake_quantize *q, const float *dy, const float *x,
                                     const float *scale, float *dx, float *dscale, void *workspace,
                                     void *stream);

#endif
