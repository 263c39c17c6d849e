/* Products of real rows with a matrix of narrow integers and scales, c = x (w scale) + bias: the layers of
 * models whose weights alone are quantized, and of those whose activations are rounded to integers as they
 * come. With few rows nothing but reading the weights counts, so that they are packed once: two to a byte
 * where they have 4 bits, in the order in which they are read. */
#ifndef IG_KERNELS_NARROW_MATMUL_H
#define IG_KERNELS_NARROW_MATMUL_H

#include <stdbool.h>

#include "engine/base/dtype.h"

/* How the rows are multiplied. */
typedef enum ig_narrow_rows {
  IG_NARROW_REAL,   /* f32 by f32: nothing is lost */
  IG_NARROW_GROUPS, /* each stretch of x_block numbers of a row as i8 by its own scale max|x| / 127; sums
                       within it are exact */
  IG_NARROW_TENSOR  /* all rows as u8 by one scale and zero point, ONNX's DynamicQuantizeLinear; a row's
                       sum is exact */
} ig_narrow_rows;

/* Rows x [m, k], weights [k, n], c [m, n]. */
typedef struct ig_narrow_matmul {
  int64_t m, n, k;
  ig_dtype code;   /* of weights: i8, u8 or i4, the last one a byte */
  int32_t zero;    /* of u8: what stands for 0 */
  bool transposed; /* codes lie as [n, k] and scales as [n, groups], not [k, n] and [groups, n] */
  int64_t block;   /* numbers along k that share a scale; 0 for all */
  bool one_scale;  /* for the whole matrix; block is 0 */
  ig_narrow_rows rows;
  int64_t x_block; /* of IG_NARROW_GROUPS */
  bool bias;       /* [n] */
} ig_narrow_matmul;

/* Plain loops in double. x f32. */
void ig_cpu_narrow_matmul_reference(const ig_narrow_matmul *s, const float *x, const void *codes,
                                    const float *scale, const float *bias, float *c);

/* Why the packed kernels do not take it, or NULL: blocks of both kinds have multiples of 8 numbers, and
 * those of x do not cross those of weights. */
const char *ig_narrow_reject(const ig_narrow_matmul *s);
/* Bytes of the packed weights and their scales, and of the scratch of a product; false where they exceed
 * the address space. */
bool ig_narrow_packed_size(const ig_narrow_matmul *s, size_t *bytes);
bool ig_narrow_scratch_size(const ig_narrow_matmul *s, size_t *bytes);
/* `packed` is aligned to 64 bytes. */
void ig_cpu_narrow_pack(const ig_narrow_matmul *s, const void *codes, const float *scale,
                        void *packed);
/* Equal bits for any number of threads. `scratch` is aligned to 64 bytes. */
void ig_cpu_narrow_matmul(const ig_narrow_matmul *s, const float *x, const void *packed,
                          const float *bias, float *c, void *scratch);

#endif
