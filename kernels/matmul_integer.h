/* Products of matrices of 8-bit integers in 32 bits: c = (a - a_zero) (b - b_zero). Sums wrap. */
#ifndef IG_KERNELS_MATMUL_INTEGER_H
#define IG_KERNELS_MATMUL_INTEGER_H

#include <stdbool.h>

#include "engine/base/shape.h"

/* Row-major matrices a [m, k], b [k, n], c [m, n]. c's batch is `batch`; a step along dimension d of it
 * is one of a_step[d] (b_step[d]) matrices in a (b). Zero points have the type of their matrix. */
typedef struct ig_matmul_integer {
  ig_dtype a, b; /* i8 or u8 */
  int64_t m, n, k;
  ig_shape batch;
  int64_t a_step[IG_MAX_RANK], b_step[IG_MAX_RANK];
  bool a_zero_rows;    /* a zero point a row of a, otherwise one */
  bool b_zero_columns; /* a zero point a column of b, otherwise one */
} ig_matmul_integer;

/* Zero points may be NULL, for 0. */
void ig_cpu_matmul_integer(const ig_matmul_integer *spec, const void *a, const void *b,
                           const void *a_zero, const void *b_zero, int32_t *c);
void ig_cpu_matmul_integer_reference(const ig_matmul_integer *spec, const void *a, const void *b,
                                     const void *a_zero, const void *b_zero, int32_t *c);
/* On a CUDA device. At most 65535 matrices of c, and m at most 64 * 65535. */
ig_status ig_cuda_matmul_integer(const ig_matmul_integer *spec, const void *a, const void *b,
                                 const void *a_zero, const void *b_zero, int32_t *c, void *stream);

#endif
