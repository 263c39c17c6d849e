/* Normalisation of rows: LayerNorm (Ba, Kiros, Hinton 2016) and RMSNorm (Zhang, Sennrich 2019), alone
 * or after adding a residual. Rows are [rows, columns], contiguous. */
#ifndef IG_KERNELS_LAYER_NORM_H
#define IG_KERNELS_LAYER_NORM_H

#include <stdbool.h>

#include "engine/base/dtype.h"
#include "engine/base/status.h"

typedef struct ig_row_norm {
  int64_t rows, columns;
  bool center; /* subtract the row's mean: LayerNorm; otherwise RMSNorm */
  double epsilon;
} ig_row_norm;

/* s = x + residual (s = x when residual is NULL), y = (s - mean) * invstd * scale + bias, with mean
 * over the row (0 unless centred) and invstd = 1 / sqrt(mean((s - mean)^2) + epsilon). `bias`, `sum`
 * (where s goes), `mean` and `invstd` ([rows]) may be NULL; y and sum may be x or residual. */
typedef struct ig_row_norm_forward {
  const void *x, *residual, *scale, *bias;
  void *sum, *y, *mean, *invstd;
} ig_row_norm_forward;

void ig_cpu_row_norm_f32(const ig_row_norm *shape, const ig_row_norm_forward *t);
void ig_cpu_row_norm_reference(ig_dtype dtype, ig_dtype stats, const ig_row_norm *shape,
                               const ig_row_norm_forward *t);
/* On a GPU: f32, bf16 and f16, statistics in f32. */
ig_status ig_cuda_row_norm(ig_dtype dtype, const ig_row_norm *shape, const ig_row_norm_forward *t,
                           void *stream);

/* With h = (x - mean) * invstd and g = dy * scale, by row: dx = invstd * (g - mean(g) [centred only]
 * - h * mean(g * h)) + extra. By column: dscale = sum dy * h, dbias = sum dy. `mean` is NULL unless
 * centred; `extra` and `dbias` may be NULL; dx may be dy or extra. */
typedef struct ig_row_norm_backward {
  const void *dy, *x, *scale, *mean, *invstd, *extra;
  void *dx, *dscale, *dbias;
} ig_row_norm_backward;

/* Scratch bytes of the gradient. */
size_t ig_cpu_row_norm_grad_workspace(const ig_row_norm *shape);
void ig_cpu_row_norm_grad_f32(const ig_row_norm *shape, const ig_row_norm_backward *t,
                              void *workspace);
void ig_cpu_row_norm_grad_reference(ig_dtype dtype, ig_dtype stats, const ig_row_norm *shape,
                                    const ig_row_norm_backward *t, void *workspace);
size_t ig_cuda_row_norm_grad_workspace(const ig_row_norm *shape);
ig_status ig_cuda_row_norm_grad(ig_dtype dtype, const ig_row_norm *shape,
                                const ig_row_norm_backward *t, void *workspace, void *stream);

#endif
