/* Reductions over any set of dimensions. Partial results have a fixed block structure that depends
 * on the sizes alone, so that the bits do not depend on the number of threads. */
#ifndef IG_KERNELS_REDUCE_H
#define IG_KERNELS_REDUCE_H

#include "engine/base/dtype.h"

/* Of what is reduced: the sum, mean, maximum, minimum and product; the sums of |x| and x^2, the root of
 * the latter; the logarithms of the sums of x and of e^x. */
typedef enum ig_reduce {
  IG_REDUCE_SUM,
  IG_REDUCE_MEAN,
  IG_REDUCE_MAX,
  IG_REDUCE_MIN,
  IG_REDUCE_PROD,
  IG_REDUCE_L1,
  IG_REDUCE_SUM_SQUARE,
  IG_REDUCE_L2,
  IG_REDUCE_LOG_SUM,
  IG_REDUCE_LOG_SUM_EXP
} ig_reduce;

/* Row-major dimensions, each reduced or kept; neighbours of one kind are best merged. */
typedef struct ig_reduction {
  int rank;
  int64_t dims[8];
  bool reduced[8];
} ig_reduction;

/* Scratch bytes that the vector launcher needs. */
size_t ig_cpu_reduce_workspace(ig_dtype dtype, const ig_reduction *r);
/* y has the kept dimensions. f32, bf16 and f16, accumulated in f32; not LOG_SUM_EXP. An empty sum is 0, an
 * empty product 1, an empty mean NaN, an empty maximum -infinity, an empty minimum infinity. */
void ig_cpu_reduce_vector(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x,
                          void *y, void *workspace);
/* Any number type, in double, or 64-bit integers that wrap; bool for the extremes. Integers have the
 * ends of their ranges as empty extremes, an empty mean of 0, and truncated roots and logarithms. */
void ig_cpu_reduce_reference(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x,
                             void *y);

/* --- on a CUDA device: all pointers are device memory, work is queued on `stream` --------------- */

size_t ig_cuda_reduce_workspace(ig_dtype dtype, const ig_reduction *r);
/* SUM, MEAN and MAX, of any dtype but bool and f64; floats are accumulated in f32, integers in 64 bits that wrap. Results of
 * empty reductions as above (integers: 0, and the least i64 for the maximum). */
ig_status ig_cuda_reduce(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x, void *y,
                         void *workspace, void *stream);

#endif
