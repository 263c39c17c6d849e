/* The 8-bit floating-point formats of Hopper: e4m3 (no infinity, NaN is all ones, largest 448) and
 * e5m2 (IEEE's rules, largest 57,344). */
#ifndef IG_EMULATED_CUDA_FP8_H
#define IG_EMULATED_CUDA_FP8_H

#include "cuda_bf16.h"
#include "cuda_fp16.h"

typedef unsigned char __nv_fp8_storage_t;
typedef unsigned short __nv_fp8x2_storage_t;
typedef unsigned int __nv_fp8x4_storage_t;
enum __nv_saturation_t { __NV_NOSAT, __NV_SATFINITE };
enum __nv_fp8_interpretation_t { __NV_E4M3, __NV_E5M2 };

static inline __nv_fp8_storage_t __nv_cvt_double_to_fp8(double x, __nv_saturation_t saturate,
                                                        __nv_fp8_interpretation_t format) {
  unsigned sign = signbit(x) ? 0x80 : 0;
  if (format == __NV_E5M2) {
    unsigned bits = x == x ? ig_emu_narrow<5, 2>(x) : 0x7e;
    if ((bits & 0x7f) == 0x7c && saturate == __NV_SATFINITE) bits = sign | 0x7b;
    return (__nv_fp8_storage_t)bits;
  }
  /* A fifth exponent bit would have held what lies beyond 448: 0x7f and above, ties to even. */
  if (x != x) return 0x7f;
  if (fabs(x) > 464) return (__nv_fp8_storage_t)(sign | (saturate == __NV_SATFINITE ? 0x7e : 0x7f));
  if (fabs(x) >= 256) { /* the highest exponent is an ordinary one here */
    return (__nv_fp8_storage_t)(sign | (unsigned)(0x70 + rint(fabs(x) / 32)));
  }
  return (__nv_fp8_storage_t)ig_emu_narrow<4, 3>(x);
}
static inline __nv_fp8_storage_t __nv_cvt_float_to_fp8(float x, __nv_saturation_t saturate,
                                                       __nv_fp8_interpretation_t format) {
  return __nv_cvt_double_to_fp8(x, saturate, format);
}
static inline __nv_fp8x2_storage_t __nv_cvt_float2_to_fp8x2(float2 v, __nv_saturation_t saturate,
                                                            __nv_fp8_interpretation_t format) {
  return (__nv_fp8x2_storage_t)(__nv_cvt_float_to_fp8(v.x, saturate, format) |
                                __nv_cvt_float_to_fp8(v.y, saturate, format) << 8);
}
static inline float ig_emu_from_fp8(__nv_fp8_storage_t x, __nv_fp8_interpretation_t format) {
  if (format == __NV_E5M2) return ig_emu_widen<5, 2>(x);
  unsigned magnitude = x & 0x7f;
  float value = magnitude == 0x7f   ? NAN
                : magnitude >= 0x78 ? (float)(8 + (magnitude & 7)) * 32
                                    : ig_emu_widen<4, 3>(magnitude);
  return x & 0x80 ? -value : value;
}
static inline __half_raw __nv_cvt_fp8_to_halfraw(__nv_fp8_storage_t x,
                                                 __nv_fp8_interpretation_t format) {
  return __half(ig_emu_from_fp8(x, format));
}

#define IG_EMU_FP8(name, format)                                                                   \
  struct name {                                                                                    \
    __nv_fp8_storage_t __x;                                                                        \
    name() = default;                                                                              \
    explicit name(float x) : __x(__nv_cvt_float_to_fp8(x, __NV_SATFINITE, format)) {}              \
    explicit name(double x) : __x(__nv_cvt_double_to_fp8(x, __NV_SATFINITE, format)) {}            \
    explicit name(__half x) : name((float)x) {}                                                    \
    explicit name(__nv_bfloat16 x) : name((float)x) {}                                             \
    explicit operator float() const { return ig_emu_from_fp8(__x, format); }                       \
    explicit operator __half() const { return __half(ig_emu_from_fp8(__x, format)); }              \
    explicit operator __nv_bfloat16() const {                                                      \
      return __nv_bfloat16(ig_emu_from_fp8(__x, format));                                          \
    }                                                                                              \
  };
IG_EMU_FP8(__nv_fp8_e4m3, __NV_E4M3)
IG_EMU_FP8(__nv_fp8_e5m2, __NV_E5M2)
#undef IG_EMU_FP8

#define IG_EMU_FP8_VECTORS(name2, name4, format)                                                   \
  struct __attribute__((aligned(2))) name2 {                                                       \
    __nv_fp8x2_storage_t __x;                                                                      \
    name2() = default;                                                                             \
    explicit name2(float2 v) : __x(__nv_cvt_float2_to_fp8x2(v, __NV_SATFINITE, format)) {}         \
    explicit operator float2() const {                                                             \
      return float2{ig_emu_from_fp8((__nv_fp8_storage_t)__x, format),                              \
                    ig_emu_from_fp8((__nv_fp8_storage_t)(__x >> 8), format)};                      \
    }                                                                                              \
  };                                                                                               \
  struct __attribute__((aligned(4))) name4 {                                                       \
    __nv_fp8x4_storage_t __x;                                                                      \
    name4() = default;                                                                             \
    explicit name4(float4 v)                                                                       \
        : __x(name2(float2{v.x, v.y}).__x | (unsigned)name2(float2{v.z, v.w}).__x << 16) {}        \
    explicit operator float4() const {                                                             \
      return float4{ig_emu_from_fp8((__nv_fp8_storage_t)__x, format),                              \
                    ig_emu_from_fp8((__nv_fp8_storage_t)(__x >> 8), format),                       \
                    ig_emu_from_fp8((__nv_fp8_storage_t)(__x >> 16), format),                      \
                    ig_emu_from_fp8((__nv_fp8_storage_t)(__x >> 24), format)};                     \
    }                                                                                              \
  };
IG_EMU_FP8_VECTORS(__nv_fp8x2_e4m3, __nv_fp8x4_e4m3, __NV_E4M3)
IG_EMU_FP8_VECTORS(__nv_fp8x2_e5m2, __nv_fp8x4_e5m2, __NV_E5M2)
#undef IG_EMU_FP8_VECTORS

#endif
