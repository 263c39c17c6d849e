/* Softmax, its logarithm and their gradients along the middle dimension of [outer, n, inner]. The
 * maximum is subtracted first, so that nothing overflows. `vector` launchers take f32, bf16 and f16
 * and compute in f32; `reference` launchers any float type, in double. Results may overwrite x or
 * dy. */
#ifndef IG_KERNELS_SOFTMAX_H
#define IG_KERNELS_SOFTMAX_H

#include <stdbool.h>

#include "engine/base/dtype.h"
#include "engine/base/status.h"

/* A tensor [outer, n, inner], row-major. */
typedef struct ig_rows {
  int64_t outer, n, inner;
} ig_rows;

/* y = e^x / sum e^x; with `log`, its logarithm. */
void ig_cpu_softmax_vector(bool log, ig_dtype dtype, const ig_rows *rows, const void *x, void *y);
void ig_cpu_softmax_reference(bool log, ig_dtype dtype, const ig_rows *rows, const void *x,
                              void *y);

/* From the result y: dx = y (dy - sum dy y); with `log`, dx = dy - e^y sum dy. */
void ig_cpu_softmax_grad_vector(bool log, ig_dtype dtype, const ig_rows *rows, const void *dy,
                                const void *y, void *dx);
void ig_cpu_softmax_grad_reference(bool log, ig_dtype dtype, const ig_rows *rows, const void *dy,
                                   const void *y, void *dx);

/* On a GPU: f32, bf16 and f16. */
ig_status ig_cuda_softmax(bool log, ig_dtype dtype, const ig_rows *rows, const void *x, void *y,
                          void *stream);
ig_status ig_cuda_softmax_grad(bool log, ig_dtype dtype, const ig_rows *rows, const void *dy,
                               const void *y, void *dx, void *stream);

/* What turns x into log softmax(x) = (x - most) - log_total, kept in two parts since their sum would
 * round away digits of log_total where logits are large. */
typedef struct ig_normalizer {
  float most, log_total; /* max x, log sum e^(x - most) */
} ig_normalizer;

/* The normalizer of each of the [outer, inner] rows, and where `sum` is given, the sum of x. */
void ig_cpu_softmax_normalizer(ig_dtype dtype, const ig_rows *rows, const void *x,
                               ig_normalizer *normalizer, float *sum);

#endif
