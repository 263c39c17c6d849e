/* bfloat16, as CUDA names it. */
#ifndef IG_EMULATED_CUDA_BF16_H
#define IG_EMULATED_CUDA_BF16_H

#include "cuda_runtime_api.h"
#include "emulator/small_float.h"

static inline unsigned short ig_emu_to_bf16(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  if (x != x) return 0x7fff;
  return (unsigned short)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static inline float ig_emu_from_bf16(unsigned short bits) {
  uint32_t u = (uint32_t)bits << 16;
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}

struct __nv_bfloat16_raw {
  unsigned short x;
};
struct __nv_bfloat16 {
  unsigned short bits;
  __nv_bfloat16() = default;
  __nv_bfloat16(__nv_bfloat16_raw raw) : bits(raw.x) {}
  __nv_bfloat16(float x) : bits(ig_emu_to_bf16(x)) {}
  __nv_bfloat16(double x) : bits((unsigned short)ig_emu_narrow<8, 7>(x)) {}
  __nv_bfloat16(int x) : __nv_bfloat16((double)x) {}
  __nv_bfloat16(unsigned x) : __nv_bfloat16((double)x) {}
  __nv_bfloat16(long long x) : __nv_bfloat16((float)x) {}
  operator float() const { return ig_emu_from_bf16(bits); }
  operator __nv_bfloat16_raw() const { return __nv_bfloat16_raw{bits}; }
};
typedef __nv_bfloat16 nv_bfloat16;

static inline float __bfloat162float(__nv_bfloat16 x) { return ig_emu_from_bf16(x.bits); }
static inline __nv_bfloat16 __float2bfloat16(float x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __float2bfloat16_rz(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return __nv_bfloat16_raw{(unsigned short)(x != x ? 0x7fff : u >> 16)};
}
static inline __nv_bfloat16 __double2bfloat16(double x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __int2bfloat16_rn(int x) { return __nv_bfloat16(x); }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short x) { return __nv_bfloat16_raw{x}; }
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }
static inline __nv_bfloat16 __short_as_bfloat16(short x) {
  return __nv_bfloat16_raw{(unsigned short)x};
}
static inline short __bfloat16_as_short(__nv_bfloat16 x) { return (short)x.bits; }

IG_EMU_SMALL_OPERATORS(__nv_bfloat16, __bfloat162float, __float2bfloat16)

struct __attribute__((aligned(4))) __nv_bfloat162 {
  __nv_bfloat16 x, y;
  __nv_bfloat162() = default;
  __nv_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) : x(a), y(b) {}
};
typedef __nv_bfloat162 nv_bfloat162;
IG_EMU_PAIR_OPERATORS(__nv_bfloat162, __nv_bfloat16)
static inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 v) { return v.x; }
static inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 v) { return v.y; }
static inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
static inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) { return {a, a}; }
static inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) {
  return {__nv_bfloat16(a), __nv_bfloat16(b)};
}
static inline __nv_bfloat162 __float22bfloat162_rn(float2 v) {
  return __floats2bfloat162_rn(v.x, v.y);
}
static inline __nv_bfloat162 __float2bfloat162_rn(float a) { return __floats2bfloat162_rn(a, a); }
static inline float2 __bfloat1622float2(__nv_bfloat162 v) {
  return float2{__bfloat162float(v.x), __bfloat162float(v.y)};
}
static inline float __low2float(__nv_bfloat162 v) { return __bfloat162float(v.x); }
static inline float __high2float(__nv_bfloat162 v) { return __bfloat162float(v.y); }
static inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }

#endif
