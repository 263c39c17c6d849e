/* Drawing one of n tokens from its logits, at a temperature, among the k likeliest (Fan, Lewis,
 * Dauphin, "Hierarchical Neural Story Generation", ACL 2018) and among the fewest of those whose
 * probabilities sum to p (Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR
 * 2020).
 *
 * Every device draws the same token from the same bits of logits. Therefore a token's weight is an
 * integer, exp((logit - top) / temperature) in units of 2^-40, made of operations that are rounded in
 * one way; sums of weights are exact and so do not depend on their order; and a draw is the first
 * token, in the order of their numbers, with which the sum exceeds a random share of the total. */
#ifndef IG_KERNELS_SAMPLE_H
#define IG_KERNELS_SAMPLE_H

#include <math.h>
#include <string.h>

#include "engine/base/dtype.h"

/* What is read when running, on the device that runs. */
typedef struct ig_sample_scalars {
  const uint64_t *seed, *step,
      *first_sample;        /* row r: stream (seed, IG_RNG_SAMPLE, step, first + r) */
  const float *temperature; /* 0 or more; 0 takes the likeliest; NULL is 1 */
  const int64_t *top_k;     /* 0 or more; 0 is all; NULL is 0 */
  const float *top_p;       /* in (0, 1]; NULL is 1 */
} ig_sample_scalars;

/* tokens[r] is drawn from row r of `logits` [rows, n]; -1 where a logit is NaN, the greatest is not
 * finite or a scalar is out of range. Of equal logits the smaller number is the likelier. n below
 * 2^20, so that no sum overflows. Float dtypes; `workspace` has ig_cpu_sample_workspace(n) bytes. */
#define IG_SAMPLE_MOST (1 << 20)
size_t ig_cpu_sample_workspace(int64_t n);
void ig_cpu_sample(ig_dtype dtype, const ig_sample_scalars *scalars, int64_t rows, int64_t n,
                   const void *logits, int64_t *tokens, void *workspace);
/* f32, bf16, f16; pointers are device memory. */
ig_status ig_cuda_sample(ig_dtype dtype, const ig_sample_scalars *scalars, int64_t rows, int64_t n,
                         const void *logits, int64_t *tokens, void *stream);

/* --- what both devices compute alike ----------------------------------------------------------- */

#ifndef IG_SAMPLE_INLINE /* kernels/cuda/sample.cu makes them device functions as well */
#define IG_SAMPLE_INLINE static inline
#endif

/* Orders as the logits do, which are not NaN; both zeros are one. */
IG_SAMPLE_INLINE uint32_t ig_sample_key(float logit) {
  uint32_t bits;
  logit += 0.0f;
  memcpy(&bits, &logit, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

IG_SAMPLE_INLINE float ig_sample_logit(uint32_t key) {
  float logit;
  uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
  memcpy(&logit, &bits, sizeof bits);
  return logit;
}

/* 2^((logit - top) factor) in units of 2^-40, `factor` being log2(e) / temperature; the polynomial is
 * (2^f - 1) / f in Chebyshev's nodes of [0, 1], relative error 1.2e-8. No product here is one that a
 * compiler could join with a sum, nor the other way round. */
IG_SAMPLE_INLINE uint64_t ig_sample_weight(float logit, float top, float factor) {
  float x = logit - top, whole = floorf(x * factor);
  if (!(whole > -41)) return 0;
  float f = fmaf(x, factor, -whole), p = 0x1.b49554p-13f;
  p = fmaf(p, f, 0x1.4cb7bp-10f);
  p = fmaf(p, f, 0x1.3c487cp-7f);
  p = fmaf(p, f, 0x1.c69f98p-5f);
  p = fmaf(p, f, 0x1.ebfc3ep-3f);
  p = fmaf(p, f, 0x1.62e43p-1f);
  p = fmaf(p, f, 1.0f);
  return (uint64_t)(uint32_t)(p * 0x1p23f) << 17 >> (int)-whole;
}

/* Which tokens may be drawn: those whose key is above the bar's, and of those with that key the first
 * `equals`. */
typedef struct ig_sample_bar {
  uint32_t key;
  int64_t equals;
} ig_sample_bar;

/* What top_p of `total` needs, at least 1. */
IG_SAMPLE_INLINE uint64_t ig_sample_share(float top_p, uint64_t total) {
  uint64_t wanted = (uint64_t)ceil((double)top_p * (double)total);
  return wanted < 1 ? 1 : wanted > total ? total : wanted;
}

/* The share number / 2^32 of a total below 2^61, rounded down. */
IG_SAMPLE_INLINE uint64_t ig_sample_point(uint32_t number, uint64_t total) {
  return number * (total >> 32) + (number * (total & 0xffffffffu) >> 32);
}

IG_SAMPLE_INLINE bool ig_sample_valid(float temperature, int64_t top_k, float top_p) {
  return temperature >= 0 && temperature < INFINITY && top_k >= 0 && top_p > 0 && top_p <= 1;
}

#endif
