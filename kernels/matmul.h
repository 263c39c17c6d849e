/* Matrix products: one description for every kernel that computes them. */
#ifndef IG_KERNELS_MATMUL_H
#define IG_KERNELS_MATMUL_H

#include "engine/base/shape.h"
#include "kernels/activation.h"

/* c = activation(alpha * a b + addend), by batch. Every operand has rank `rank`, at least 2; the
 * dims before the last two are the batch, and where an operand's is 1 it is repeated. Strides
 * are in elements, so that a transposed matrix is read in place. */
typedef struct ig_matmul {
  ig_dtype dtype, b_dtype; /* of a and b, which differ as 8-bit floats at most */
  ig_dtype c_dtype;        /* of c and addend */
  int rank;
  int64_t a_dims[IG_MAX_RANK], a_strides[IG_MAX_RANK]; /* [..., m, k] */
  int64_t b_dims[IG_MAX_RANK], b_strides[IG_MAX_RANK]; /* [..., k, n] */
  int64_t c_dims[IG_MAX_RANK], c_strides[IG_MAX_RANK]; /* [..., m, n] */
  bool tf32; /* operands of f32 may be rounded to tf32 */
  bool fast; /* sums of products of 8-bit floats may keep fewer bits than f32 */
  float alpha;
  bool addend;
  int64_t addend_dims[IG_MAX_RANK]; /* c's or 1; dense */
  ig_activation activation;
} ig_matmul;

/* Plain loops, any dtype, sums in double. */
void ig_cpu_matmul_reference(const ig_matmul *spec, const void *a, const void *b,
                             const void *addend, void *c);

/* f32, rank 2, one row, b contiguous along k: dot products at the speed at which b is read. oneDNN
 * needs twice the time where it may not pack b. */
void ig_cpu_matmul_one_row(const ig_matmul *spec, const float *a, const float *b,
                           const float *addend, float *c);

/* --- on a CUDA device: all pointers are device memory, work is queued on `stream` --------------- */

/* c = activation(alpha * a b + beta * addend). f32, bf16, f16; c_dtype is dtype. */
ig_status ig_cuda_matmul(const ig_matmul *spec, const void *a, const void *b, const void *addend,
                         float beta, void *c, void *stream);
/* c = addend, repeated where it broadcasts. */
ig_status ig_cuda_matmul_spread(const ig_matmul *spec, const void *addend, void *c, void *stream);

#endif
