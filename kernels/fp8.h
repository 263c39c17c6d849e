/* Tensors of 8-bit floats with one scale each, as matrix products on tensor cores want them, and the
 * delayed scaling that finds it: the scale of a tensor comes from the absolute maxima that it had in the
 * last steps, so that quantizing needs no pass of its own in front ("FP8 formats for deep learning",
 * Micikevicius et al., 2022, section 3; the recipe is NVIDIA Transformer Engine's DelayedScaling with
 * the history's maximum):
 *
 *     amax = max(history), scale = 2^floor(log2(largest / amax)), q = saturate(round(x scale))
 *
 * A power of two makes the scale and its inverse exact, and is the margin: maxima may grow by half of
 * what they are on average before anything saturates. While a history is empty, all zeros, the tensor's
 * own maximum takes its place. */
#ifndef IG_KERNELS_FP8_H
#define IG_KERNELS_FP8_H

#include "engine/base/dtype.h"

/* Maxima that a tensor's scale looks back on. */
#define IG_FP8_HISTORY 16
/* Rows and columns are multiples of it, as cuBLASLt asks of products. */
#define IG_FP8_MULTIPLE 16
/* Bounds of the scale's exponent, so that its inverse is a normal number, too; tensors of zeros have the
 * upper. */
#define IG_FP8_MOST_EXPONENT 126

/* Which matrix becomes what. */
typedef struct ig_fp8_cast {
  ig_dtype from, to;  /* f32, bf16 or f16; one of the two 8-bit floats */
  int64_t rows, cols; /* multiples of IG_FP8_MULTIPLE */
} ig_fp8_cast;

/* Results of one sweep over x [rows, cols]. */
typedef struct ig_fp8_results {
  uint8_t *plain;  /* [rows, cols], or NULL */
  uint8_t *turned; /* [cols, rows], or NULL */
  float *inverse;  /* 1 / scale, what products multiply by */
  float *
      next; /* [IG_FP8_HISTORY]: the history with this maximum in front, unless it is not finite; may
                  be `history` itself */
} ig_fp8_results;

/* The largest number of an 8-bit float. */
float ig_fp8_largest(ig_dtype dtype);
/* The scale for a maximum, and its inverse. */
float ig_fp8_scale(ig_dtype dtype, float amax, float *inverse);

/* Elements that are not finite become NaN, so that a fault is not hidden by saturation. */
void ig_cpu_fp8_quantize(const ig_fp8_cast *cast, const void *x, const float *history,
                         const ig_fp8_results *out);
/* f32 numbers of 8-bit ones times `factor`. */
void ig_cpu_fp8_widen(ig_dtype from, const uint8_t *q, float factor, float *x, int64_t count);

/* On a CUDA device; scratch of ig_cuda_fp8_scratch bytes. */
ig_status ig_cuda_fp8_quantize(const ig_fp8_cast *cast, const void *x, const float *history,
                               const ig_fp8_results *out, void *scratch, void *stream);
size_t ig_cuda_fp8_scratch(const ig_fp8_cast *cast);

#endif
