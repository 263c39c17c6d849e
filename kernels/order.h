/* Kernels that compare elements along the middle dimension of [outer, n, inner]: the place of the
 * greatest, and the k greatest or least. Any number dtype. Of equal elements the one of lower index
 * comes first; NaN counts as greatest. */
#ifndef IG_KERNELS_ORDER_H
#define IG_KERNELS_ORDER_H

#include "kernels/softmax.h"

/* places[outer, inner]: index of the greatest element, or with `least` the least; of equal ones the first,
 * or the last. NaN wins either way. */
void ig_cpu_arg_extreme(ig_dtype dtype, const ig_rows *rows, const void *x, bool least, bool last,
                        int64_t *places);

/* Scratch bytes of ig_cpu_top_k. */
size_t ig_cpu_top_k_workspace(int64_t k);
/* values and places [outer, k, inner], k <= n, best first: the greatest, or with `least` the
 * least. */
void ig_cpu_top_k(ig_dtype dtype, const ig_rows *rows, const void *x, int64_t k, bool least,
                  void *values, int64_t *places, void *workspace);

/* dx [outer, n, inner] = 0 except dx[places] = dy, both [outer, k, inner]. A place outside [0, n) is
 * skipped. */
void ig_cpu_top_k_grad(ig_dtype dtype, const ig_rows *rows, int64_t k, const void *dy,
                       const int64_t *places, void *dx);

/* --- on a CUDA device: all pointers are device memory, work is queued on `stream`. Not f64. ------ */

ig_status ig_cuda_arg_max(ig_dtype dtype, const ig_rows *rows, const void *x, bool last,
                          int64_t *places, void *stream);
/* Reads a row's share of a thread once for every element it gives: meant for k up to some hundreds. */
ig_status ig_cuda_top_k(ig_dtype dtype, const ig_rows *rows, const void *x, int64_t k, bool least,
                        void *values, int64_t *places, void *stream);
ig_status ig_cuda_top_k_grad(ig_dtype dtype, const ig_rows *rows, int64_t k, const void *dy,
                             const int64_t *places, void *dx, void *stream);

#endif
