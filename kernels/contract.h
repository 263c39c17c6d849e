/* Sums over dimensions of strided tensors, and products of batches of matrices: the pieces of which
 * tensor contractions are made. f64, f32 and i64, which wraps. */
#ifndef IG_KERNELS_CONTRACT_H
#define IG_KERNELS_CONTRACT_H

#include "engine/base/dtype.h"

#define IG_CONTRACT_RANK 16

/* y, dense over the kept dimensions in their order, is the sum over the others. f32 is summed in f64. */
typedef struct ig_box_sum {
  int kept, summed;
  int64_t kept_dims[IG_CONTRACT_RANK], kept_strides[IG_CONTRACT_RANK];
  int64_t summed_dims[IG_CONTRACT_RANK], summed_strides[IG_CONTRACT_RANK];
} ig_box_sum;
void ig_cpu_box_sum(ig_dtype dtype, const ig_box_sum *sum, const void *x, void *y);

/* c [batch, m, n] = a [batch, m, k] b [batch, k, n]. */
typedef struct ig_batched_product {
  int64_t batch, m, k, n;
} ig_batched_product;
void ig_cpu_batched_product(ig_dtype dtype, const ig_batched_product *p, const void *a,
                            const void *b, void *c);

#endif
