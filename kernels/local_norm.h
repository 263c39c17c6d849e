/* Normalisations over lines, over channels nearby, and over any dimensions. Float types; computed in
 * f64. */
#ifndef IG_KERNELS_LOCAL_NORM_H
#define IG_KERNELS_LOCAL_NORM_H

#include "kernels/reduce.h"
#include "kernels/softmax.h"

/* y = x / |x| along the middle dimension, |x| the sum of absolute values or with `squares` the root of
 * the sum of squares; 0 where that is 0. */
void ig_cpu_lp_normalization(ig_dtype dtype, bool squares, const ig_rows *rows, const void *x,
                             void *y);

/* y = x / (bias + alpha / size * the sum of squares of `before` channels before, the own and `after`
 * channels behind)^beta. Rows are [batch, channels, positions]. */
typedef struct ig_lrn {
  double alpha, beta, bias;
  int64_t size, before, after;
} ig_lrn;
void ig_cpu_lrn(ig_dtype dtype, const ig_lrn *lrn, const ig_rows *rows, const void *x, void *y);
void ig_cpu_lrn_grad(ig_dtype dtype, const ig_lrn *lrn, const ig_rows *rows, const void *dy,
                     const void *x, void *dx);

/* y = (x - mean) / (deviation + epsilon), both over the reduced dimensions. */
void ig_cpu_mean_variance(ig_dtype dtype, const ig_reduction *r, double epsilon, const void *x,
                          void *y);

#endif
