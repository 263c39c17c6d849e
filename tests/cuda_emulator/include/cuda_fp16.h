/* IEEE half precision, as CUDA names it. */
#ifndef IG_EMULATED_CUDA_FP16_H
#define IG_EMULATED_CUDA_FP16_H

#include "cuda_runtime_api.h"
#include "emulator/small_float.h"

/* The exponent is rebiased by a product, which also makes subnormals normal, exactly. */
static inline float ig_emu_from_f16(unsigned short bits) {
  uint32_t magnitude = (uint32_t)(bits & 0x7fff) << 13, sign = (uint32_t)(bits & 0x8000) << 16, u;
  float x;
  memcpy(&x, &magnitude, sizeof x);
  x *= 0x1p112f;
  memcpy(&u, &x, sizeof u);
  if (magnitude >= 0x0f800000u) u = magnitude | 0x7f800000u;
  u |= sign;
  memcpy(&x, &u, sizeof x);
  return x;
}
/* Normal numbers round by an addition to their bits, subnormal ones by an addition to
 * themselves. */
static inline unsigned short ig_emu_to_f16(float x) {
  uint32_t u, half;
  memcpy(&u, &x, sizeof u);
  uint32_t sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000u) return 0x7fff;
  if (magnitude >= 0x477ff000u) { /* rounds to 65,520 or more */
    half = 0x7c00;
  } else if (magnitude < 0x38800000u) {
    float small;
    memcpy(&small, &magnitude, sizeof small);
    small += 0.5f;
    memcpy(&half, &small, sizeof half);
    half &= 0x7ff;
  } else {
    half = (magnitude - 0x38000000u + 0xfff + (magnitude >> 13 & 1)) >> 13;
  }
  return (unsigned short)(sign | half);
}

struct __half_raw {
  unsigned short x;
};
struct __half {
  unsigned short bits;
  __half() = default;
  __half(__half_raw raw) : bits(raw.x) {}
  __half(float x) : bits(ig_emu_to_f16(x)) {}
  __half(double x) : bits((unsigned short)ig_emu_narrow<5, 10>(x)) {}
  __half(int x) : __half((double)x) {}
  __half(unsigned x) : __half((double)x) {}
  __half(long long x) : __half((float)x) {}
  operator float() const { return ig_emu_from_f16(bits); }
  operator __half_raw() const { return __half_raw{bits}; }
};

static inline float __half2float(__half x) { return ig_emu_from_f16(x.bits); }
static inline __half __float2half(float x) { return __half(x); }
static inline __half __float2half_rn(float x) { return __half(x); }
static inline __half __double2half(double x) { return __half(x); }
static inline __half __int2half_rn(int x) { return __half(x); }
static inline int __half2int_rn(__half x) { return (int)rintf(__half2float(x)); }
static inline __half __ushort_as_half(unsigned short x) { return __half_raw{x}; }
static inline unsigned short __half_as_ushort(__half x) { return x.bits; }
static inline __half __short_as_half(short x) { return __half_raw{(unsigned short)x}; }
static inline short __half_as_short(__half x) { return (short)x.bits; }

IG_EMU_SMALL_OPERATORS(__half, __half2float, __float2half)

struct __attribute__((aligned(4))) __half2 {
  __half x, y;
  __half2() = default;
  __half2(__half a, __half b) : x(a), y(b) {}
};
IG_EMU_PAIR_OPERATORS(__half2, __half)
static inline __half __low2half(__half2 v) { return v.x; }
static inline __half __high2half(__half2 v) { return v.y; }
static inline __half2 __halves2half2(__half a, __half b) { return {a, b}; }
static inline __half2 __half2half2(__half a) { return {a, a}; }
static inline __half2 __floats2half2_rn(float a, float b) { return {__half(a), __half(b)}; }
static inline __half2 __float22half2_rn(float2 v) { return __floats2half2_rn(v.x, v.y); }
static inline __half2 __float2half2_rn(float a) { return __floats2half2_rn(a, a); }
static inline float2 __half22float2(__half2 v) {
  return float2{__half2float(v.x), __half2float(v.y)};
}
static inline float __low2float(__half2 v) { return __half2float(v.x); }
static inline float __high2float(__half2 v) { return __half2float(v.y); }
static inline __half2 make_half2(__half a, __half b) { return {a, b}; }

#endif
