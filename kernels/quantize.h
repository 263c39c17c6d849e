/* Linear quantization: numbers as integers, or small floats, times a scale from a zero point,
 *   q = saturate(round(x / scale) + zero),   x = (q - zero) * scale,
 * rounded half to even, for small floats once, behind the sum. x / scale is an f32 quotient whatever the
 * types unless `precision` says otherwise; NaN counts as 0 where there is none. */
#ifndef IG_KERNELS_QUANTIZE_H
#define IG_KERNELS_QUANTIZE_H

#include <stdbool.h>

#include "engine/base/dtype.h"
#include "engine/base/status.h"

/* A tensor [outer, n, inner], row-major, whose numbers share scale and zero point: with `block` 0
 * along n, so that there are n of each (n = 1: one for all); otherwise also in stretches of `block`
 * along n, the last of which may be shorter: [outer, ceil(n / block), inner]. */
typedef struct ig_quantize {
  ig_dtype real;  /* f32, bf16 or f16; i32 where it is the source */
  ig_dtype scale; /* f32, bf16, f16 or f8e8m0; i32 with such a source */
  /* Also of the zero points: integers of 16 bits and less and small floats but f8e8m0; i32 too where it is
   * the source. */
  ig_dtype whole;
  int64_t outer, n, inner, block;
  ig_dtype precision; /* of operands and quotient, a float to compute in; IG_NONE is f32 */
  bool overflows;     /* of floats of 8 bits: ig_narrowing */
} ig_quantize;

/* `zero` may be NULL, for zero points of 0. `vector` launchers take f32 for numbers, scales and
 * quotients, and the 8-bit integers (dequantizing, i32 too), as do a device's, which also take the 16-bit
 * floats. */
void ig_cpu_quantize_vector(const ig_quantize *q, const float *x, const float *scale,
                            const void *zero, void *y);
void ig_cpu_quantize_reference(const ig_quantize *q, const void *x, const void *scale,
                               const void *zero, void *y);
void ig_cpu_dequantize_vector(const ig_quantize *q, const void *x, const float *scale,
                              const void *zero, float *y);
void ig_cpu_dequantize_reference(const ig_quantize *q, const void *x, const void *scale,
                                 const void *zero, void *y);

/* Sums of products [rows, n] as 8-bit integers again: with factor = a_scale b_scale / y_scale,
 *   y = saturate(round(sum factor) + y_zero).
 * a_scale is one number, or `by_row` that of row modulo m; b_scale one, or `by_column` the column's. */
typedef struct ig_requantize {
  ig_dtype scale; /* of the three scales: f32, bf16 or f16 */
  ig_dtype whole; /* of y and its zero point: i8 or u8 */
  int64_t rows, m, n;
  bool by_row, by_column;
} ig_requantize;

void ig_cpu_requantize(const ig_requantize *r, const int32_t *sums, const void *a_scale,
                       const void *b_scale, const void *y_scale, const void *y_zero, void *y);

/* Scale and u8 zero point by which [min(least, 0), max(most, 0)] becomes [0, 255]; 1 and 0 where that
 * is empty. */
void ig_quantize_range(float least, float most, float *scale, uint8_t *zero);

/* --- on a CUDA device -------------------------------------------------------------------------- */

ig_status ig_cuda_quantize(const ig_quantize *q, const void *x, const void *scale, const void *zero,
                           void *y, void *stream);
ig_status ig_cuda_dequantize(const ig_quantize *q, const void *x, const void *scale,
                             const void *zero, void *y, void *stream);
/* f32 to u8 by the range of x itself, which also goes to `scale` and `zero`. `workspace` has
 * IG_CUDA_QUANTIZE_DYNAMIC bytes. */
#define IG_CUDA_QUANTIZE_DYNAMIC 8
ig_status ig_cuda_quantize_dynamic(const float *x, int64_t count, uint8_t *y, float *scale,
                                   uint8_t *zero, void *workspace, void *stream);
ig_status ig_cuda_requantize(const ig_requantize *r, const int32_t *sums, const void *a_scale,
                             const void *b_scale, const void *y_scale, const void *y_zero, void *y,
                             void *stream);

#endif
