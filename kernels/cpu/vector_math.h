/* exp, log, tanh, erf and their kin for f32, as branch-free inline functions that a compiler turns
 * into vector code: a loop over one of them runs at the processor's vector width without a
 * library. Errors are at most 2.5 units in the last place where nothing else is said
 * (tests/unit/test_vector_math.c measures them). The polynomials are minimax fits by Remez exchange
 * in 40-digit arithmetic, made for these ranges by scripts/fit_polynomials.py and rounded to float.
 * Range reduction and the atanh form of log are textbook (Muller, "Elementary Functions"). */
#ifndef IG_KERNELS_CPU_VECTOR_MATH_H
#define IG_KERNELS_CPU_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>

/* Bit patterns are unsigned: their arithmetic may wrap, e.g. for NaN. */
static inline float ig_bits_f32(uint32_t bits) {
  union {
    uint32_t u;
    float f;
  } word = {.u = bits};
  return word.f;
}

static inline uint32_t ig_f32_bits(float value) {
  union {
    float f;
    uint32_t u;
  } word = {.f = value};
  return word.u;
}

/* Adding it to |x| < 2^22 rounds to an integer, which stands in the low bits of the sum. */
#define IG_ROUNDING_SHIFT 0x1.8p23f

/* e^x with x = n ln 2 + r, given n, without the factor 2^n: 1 + r + r^2 P(r), |r| <= ln(2)/2. */
static inline float ig_vexp_fraction(float x, float n) {
  float r = x - n * 0x1.62e4p-1f; /* ln 2 in two parts: n times the first is exact */
  r = r - n * 0x1.7f7d1cp-20f;
  float p = 0x1.6a1a72p-10f;
  p = p * r + 0x1.123fc6p-7f;
  p = p * r + 0x1.555916p-5f;
  p = p * r + 0x1.55548ap-3f;
  p = p * r + 0x1.fffffcp-2f;
  return (p * r) * r + r + 1.0f;
}

/* e^x. Overflow gives infinity, and 2^n is applied in two factors so that results below 2^-126 are
 * right as well. */
static inline float ig_vexp(float x) {
  x = x < -105.0f ? -105.0f : x; /* NaN passes both comparisons */
  x = x > 90.0f ? 90.0f : x;
  float shifted = x * 0x1.715476p+0f + IG_ROUNDING_SHIFT;
  float y = ig_vexp_fraction(x, shifted - IG_ROUNDING_SHIFT);
  int32_t k = (int32_t)(ig_f32_bits(shifted) - ig_f32_bits(IG_ROUNDING_SHIFT)), half = k >> 1;
  return y * ig_bits_f32((uint32_t)(half + 127) << 23) *
         ig_bits_f32((uint32_t)(k - half + 127) << 23);
}

/* e^x for x <= 0, about a third faster; 0 below -87, where results leave the normal range. The
 * shift carries the exponent's bias, so that its bits are the factor 2^n once moved into place. */
static inline float ig_vexp_nonpositive(float x) {
  float inside = x < -87.0f ? -87.0f : x;
  const float shift = IG_ROUNDING_SHIFT + 127.0f;
  float shifted = inside * 0x1.715476p+0f + shift;
  float y = ig_vexp_fraction(inside, shifted - shift) * ig_bits_f32(ig_f32_bits(shifted) << 23);
  return x < -87.0f ? 0.0f : y;
}

/* log x = k ln 2 + log m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s) with s = (m - 1) /
 * (m + 1), as 2 s + s^3 P(s^2). log 0 = -inf, log of a negative number is NaN. */
static inline float ig_vlog(float x) {
  float tiny = x < 0x1p-126f ? 0x1p23f : 1.0f; /* lift subnormal numbers into the normal range */
  float lifted = x * tiny;
  const uint32_t root_half = 0x3f3504f3u; /* sqrt(1/2) */
  uint32_t bits = ig_f32_bits(lifted) - root_half;
  int32_t k = (int32_t)bits >> 23;
  float m = ig_bits_f32((bits & 0x007fffffu) + root_half);
  float kf = (float)k - (x < 0x1p-126f ? 23.0f : 0.0f);
  float f = m - 1.0f, s = f / (m + 1.0f), z = s * s;
  float p = 0x1.32063ap-2f;
  p = p * z + 0x1.995d84p-2f;
  p = p * z + 0x1.55557cp-1f;
  /* 2 s = f - s f: f is exact, so that the rounding of s counts only in second order. */
  float y = f - s * (f - z * p) + kf * 0x1.7f7d1cp-20f + kf * 0x1.62e4p-1f;
  y = x == INFINITY ? x : y;
  y = x == 0.0f ? -INFINITY : y;
  return x >= 0.0f ? y : NAN;
}

/* log(1 + e) for e in [0, 1], again by atanh: s = e / (2 + e) is at most 1/3. */
static inline float ig_vlog1p_unit(float e) {
  float s = e / (2.0f + e), z = s * s;
  float p = 0x1.be4ee6p-3f;
  p = p * z + 0x1.5f3020p-3f;
  p = p * z + 0x1.c8bc16p-3f;
  p = p * z + 0x1.248a56p-2f;
  p = p * z + 0x1.9999bep-2f;
  p = p * z + 0x1.555556p-1f;
  return (s + s) + (s * z) * p;
}

static inline float ig_vtanh(float x) {
  float a = fabsf(x), z = x * x;
  float p = -0x1.6a531ap-8f; /* x + x^3 P(x^2) up to 0.65 */
  p = p * z + 0x1.4f9942p-6f;
  p = p * z - 0x1.b7da50p-5f;
  p = p * z + 0x1.11044ep-3f;
  p = p * z - 0x1.555526p-2f;
  float near = a + a * z * p;
  float e = ig_vexp_nonpositive(-2.0f * a), far = (1.0f - e) / (1.0f + e);
  return copysignf(a < 0.65f ? near : far, x);
}

/* 1 / (1 + e^-x) */
static inline float ig_vsigmoid(float x) {
  return 1.0f / (1.0f + ig_vexp(-x));
}

/* log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */
static inline float ig_vsoftplus(float x) {
  float e = ig_vexp_nonpositive(-fabsf(x));
  float above = x > 0.0f ? x : (x <= 0.0f ? 0.0f : x);
  return above + ig_vlog1p_unit(e);
}

/* e^(a^2/2) Phi(-a) for a >= 0, where Phi is the normal distribution function: a polynomial in
 * t = 1 / (1 + 0.3 a) without constant term, within 5 units in the last place for a up to 14. */
static inline float ig_vscaled_tail(float a) {
  float t = 1.0f / (1.0f + 0.3f * a);
  float p = -0x1.51b888p-6f;
  p = p * t + 0x1.cc4a9ap-4f;
  p = p * t - 0x1.d3151ap-3f;
  p = p * t + 0x1.885c04p-3f;
  p = p * t - 0x1.4498e6p-4f;
  p = p * t + 0x1.8973f2p-4f;
  p = p * t + 0x1.413b2ep-4f;
  p = p * t + 0x1.c37dbap-4f;
  p = p * t + 0x1.e9c538p-4f;
  p = p * t + 0x1.ea3c8ap-4f;
  return p * t;
}

/* x + x P(x^2) up to 0.9, 1 - 2 Phi(-sqrt(2) |x|) beyond. */
static inline float ig_verf(float x) {
  float a = fabsf(x), z = x * x;
  float p = 0x1.6510c2p-14f;
  p = p * z - 0x1.aca392p-11f;
  p = p * z + 0x1.550a44p-8f;
  p = p * z - 0x1.b81524p-6f;
  p = p * z + 0x1.ce2e54p-4f;
  p = p * z - 0x1.812744p-2f;
  p = p * z + 0x1.06eba8p-3f;
  float near = a + a * p;
  float far = 1.0f - 2.0f * ig_vexp_nonpositive(-z) * ig_vscaled_tail(a * 0x1.6a09e6p+0f);
  return copysignf(a < 0.9f ? near : far, x);
}

#endif
