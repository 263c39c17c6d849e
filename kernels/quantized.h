/* What 8-bit integer operators do besides multiplying: the end of a product (bias, residual, activation,
 * requantization), sums of two tensors, pooling, and functions as tables of 256 codes. A tensor of codes
 * stands for (code - zero) scale, with one scale and one zero point. Rounding is half to even. The
 * `reference` kernels compute in double; the others in f32, so that a code may differ by one from theirs
 * where a value lies half way between two codes, as may oneDNN's, which adds an odd zero point before it
 * rounds; none depends on the number of threads. */
#ifndef IG_KERNELS_QUANTIZED_H
#define IG_KERNELS_QUANTIZED_H

#include "kernels/activation.h"
#include "kernels/conv_integer.h"
#include "kernels/matmul.h"
#include "kernels/pool.h"

/* A tensor's numbers: i8 or u8, or f32, which has scale 1 and zero point 0. */
typedef struct ig_codes {
  ig_dtype dtype; /* IG_NONE: there is no such tensor */
  float scale;
  int32_t zero;
} ig_codes;

/* From the sums of a product to its result, by column (channel) c:
 *   y = f(x.scale weight_scale[c] sum + bias[c] + z),   quantized as `y` says. */
typedef struct ig_quantized_end {
  ig_codes x, y, z;  /* z: a residual of the result's shape; 8 bits where y has 8 bits, else f32 */
  bool by_channel;   /* a weight_scale a column, otherwise one */
  ig_activation activation;
} ig_quantized_end;

/* Sums [outer, channels, inner]. `bias` and `z` may be NULL where there is none; z may be y. */
void ig_cpu_quantized_end(const ig_quantized_end *end, int64_t outer, int64_t channels,
                          int64_t inner, const int32_t *sums, const float *weight_scale,
                          const float *bias, const void *z, void *y);

/* y = f(a + b) of `count` codes; y may be a or b. The fast one has no activation but Relu and Clip. */
void ig_cpu_quantized_add(const ig_codes *a, const ig_codes *b, const ig_codes *y,
                          const ig_activation *f, int64_t count, const void *a_codes,
                          const void *b_codes, void *y_codes);
void ig_cpu_quantized_add_reference(const ig_codes *a, const ig_codes *b, const ig_codes *y,
                                    const ig_activation *f, int64_t count, const void *a_codes,
                                    const void *b_codes, void *y_codes);

/* Means of codes over windows, from x's codes to y's or to f32. The fast one: channels last. */
void ig_cpu_quantized_mean_pool(const ig_pool *pool, const ig_codes *x, const ig_codes *y,
                                const void *x_codes, void *y_codes);
void ig_cpu_quantized_mean_pool_reference(const ig_pool *pool, const ig_codes *x,
                                          const ig_codes *y, const void *x_codes, void *y_codes);

/* Maxima of i8 or u8, channels last; the lowest code where a window is empty. */
void ig_cpu_max_pool_bytes(const ig_pool *pool, const void *x, void *y);

/* y[i] = table[x[i]], bytes; y may be x. */
void ig_cpu_lookup(const uint8_t table[256], int64_t count, const uint8_t *x, uint8_t *y);
void ig_cpu_lookup_reference(const uint8_t table[256], int64_t count, const uint8_t *x,
                             uint8_t *y);

#endif
