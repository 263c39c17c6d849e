/* Reductions over any set of dimensions. Partial results have a fixed block structure that depends
 * on the sizes alone, so that the bits do not depend on the number of threads. */
#ifndef IG_KERNELS_REDUCE_H
#define IG_KERNELS_REDUCE_H

#include "engine/base/dtype.h"

typedef enum ig_reduce { IG_REDUCE_SUM, IG_REDUCE_MEAN, IG_REDUCE_MAX } ig_reduce;

/* Row-major dimensions, each reduced or kept; neighbours of one kind are best merged. */
typedef struct ig_reduction {
  int rank;
  int64_t dims[8];
  bool reduced[8];
} ig_reduction;

/* Scratch bytes that the vector launcher needs. */
size_t ig_cpu_reduce_workspace(ig_dtype dtype, const ig_reduction *r);
/* y has the kept dimensions. f32, bf16 and f16, accumulated in f32. An empty sum is 0, an empty mean
 * NaN, an empty maximum -infinity. */
void ig_cpu_reduce_vector(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x,
                          void *y, void *workspace);
/* Any dtype but bool, in double, or 64-bit integers that wrap. */
void ig_cpu_reduce_reference(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x,
                             void *y);

/* --- on a CUDA device: all pointers are device memory, work is queued on `stream` --------------- */

size_t ig_cuda_reduce_workspace(ig_dtype dtype, const ig_reduction *r);
/* Any dtype but bool and f64; floats are accumulated in f32, integers in 64 bits that wrap. Results of
 * empty reductions as above (integers: 0, and the least i64 for the maximum). */
ig_status ig_cuda_reduce(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x, void *y,
                         void *workspace, void *stream);

#endif
