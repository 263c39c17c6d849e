/* Rows by index, and the sums that are its gradient. Indices are i64 when `wide`, else i32; negative
 * ones count from the end. They must be in range: ig_cpu_find_outside says where one is not. */
#ifndef IG_KERNELS_GATHER_H
#define IG_KERNELS_GATHER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/dtype.h"

/* Position of the first index outside [-rows, rows), or -1. */
int64_t ig_cpu_find_outside(const void *indices, bool wide, int64_t count, int64_t rows);

/* target[o, i, :] = source[o, indices[i], :], with source [outer, rows, inner], target
 * [outer, count, inner], and elements of `size` bytes. */
void ig_cpu_gather(size_t size, int64_t outer, int64_t rows, int64_t inner, const void *source,
                   const void *indices, bool wide, int64_t count, void *target);

/* target[o, r, :] = base[o, r, :] + the sum over i with indices[i] = r of dy[o, i, :], in the order of
 * i, in f32 at least. A NULL base is zero; `base` may be `target`. */
size_t ig_cpu_gather_grad_workspace(int64_t rows, int64_t count);
void ig_cpu_gather_grad(ig_dtype dtype, int64_t outer, int64_t rows, int64_t inner, const void *dy,
                        const void *indices, bool wide, int64_t count, const void *base,
                        void *target, void *workspace);

/* Rows of a table [rows, width] of narrow integers as f32. The scale of (row, column) is
 * scale[row / row_block * row_step + column / column_block * column_step]. */
typedef struct ig_gather_narrow {
  int64_t rows, width;
  ig_dtype code; /* i8 or i4 */
  bool packed;   /* of i4: two to a byte, the first in the low half, each row from a byte of its own */
  int64_t row_block, row_step, column_block, column_step;
} ig_gather_narrow;

/* The table of i4, one a byte, packed so; (width + 1) / 2 bytes a row. */
void ig_cpu_gather_pack(const ig_gather_narrow *g, const int8_t *codes, uint8_t *packed);
/* target[i, :] = codes[indices[i], :] times their scales. */
void ig_cpu_gather_narrow(const ig_gather_narrow *g, const void *codes, const float *scale,
                          const void *indices, bool wide, int64_t count, float *target);

/* --- on a CUDA device: all pointers are device memory, work is queued on `stream`. No host sees an index
 * there, so one outside [-rows, rows) is not an error: the Gather then gives `outside` (one element in
 * host memory), and the gradient leaves the position out. --------------------------------------- */

ig_status ig_cuda_gather(size_t size, int64_t outer, int64_t rows, int64_t inner, const void *source,
                         const void *indices, bool wide, int64_t count, const void *outside,
                         void *target, void *stream);
/* As ig_cpu_gather_grad, in another order of additions that depends on the indices alone. f32, bf16,
 * f16; rows and count below 2^31. */
size_t ig_cuda_gather_grad_workspace(int64_t count);
ig_status ig_cuda_gather_grad(ig_dtype dtype, int64_t outer, int64_t rows, int64_t inner,
                              const void *dy, const void *indices, bool wide, int64_t count,
                              const void *base, void *target, void *workspace, void *stream);

#endif
