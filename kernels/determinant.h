/* Determinants of square matrices, and the cofactors that are their gradients. Float types, computed in
 * f64. */
#ifndef IG_KERNELS_DETERMINANT_H
#define IG_KERNELS_DETERMINANT_H

#include "engine/base/dtype.h"

/* Scratch bytes of both. */
size_t ig_cpu_det_workspace(int64_t n);
/* y[b] = det x[b], x [batches, n, n]; 1 where n is 0. */
void ig_cpu_det(ig_dtype dtype, int64_t batches, int64_t n, const void *x, void *y,
                void *workspace);
/* dx[b] = dy[b] times the cofactors of x[b], also where x[b] is singular. */
void ig_cpu_det_grad(ig_dtype dtype, int64_t batches, int64_t n, const void *dy, const void *x,
                     void *dx, void *workspace);

#endif
