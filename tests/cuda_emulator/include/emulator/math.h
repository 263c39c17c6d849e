/* Functions of the device that are not the C library's: fast and exactly rounded arithmetic, bits,
 * minima and maxima, loads. Fast ones are the accurate ones. */
#ifndef IG_EMULATOR_MATH_H
#define IG_EMULATOR_MATH_H

#include "vector_types.h"

/* --- bits ------------------------------------------------------------------------------------- */

template <class To, class From> static inline To ig_emu_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits of the same size");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
static inline int __float_as_int(float x) { return ig_emu_bits<int>(x); }
static inline unsigned __float_as_uint(float x) { return ig_emu_bits<unsigned>(x); }
static inline float __int_as_float(int x) { return ig_emu_bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return ig_emu_bits<float>(x); }
static inline long long __double_as_longlong(double x) { return ig_emu_bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return ig_emu_bits<double>(x); }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __brev(unsigned x) {
  unsigned reversed = 0;
  for (int i = 0; i < 32; i++) reversed |= (x >> i & 1) << (31 - i);
  return reversed;
}
/* Bytes of y:x, chosen by the four low bits of each half byte of s. */
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned s) {
  unsigned long long bytes = (unsigned long long)y << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; i++) {
    unsigned choice = s >> (4 * i) & 15, byte = (unsigned)(bytes >> (8 * (choice & 7))) & 255;
    if (choice & 8) byte = byte & 128 ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((unsigned long long)high << 32 | low) << (shift & 31) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((unsigned long long)high << 32 | low) >> (shift & 31));
}
static inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
static inline unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)((unsigned long long)a * b >> 32);
}
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}

/* Four products of bytes, added to c; the sum wraps. */
static inline int __dp4a(int a, int b, int c) {
  unsigned sum = (unsigned)c;
  for (int i = 0; i < 4; i++) {
    sum += (unsigned)((signed char)(a >> (8 * i)) * (signed char)(b >> (8 * i)));
  }
  return (int)sum;
}
static inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
  for (int i = 0; i < 4; i++) c += (a >> (8 * i) & 255) * (b >> (8 * i) & 255);
  return c;
}

/* --- arithmetic ------------------------------------------------------------------------------- */

/* A rounded result that no contraction to a fused operation may pass over. */
template <class T> static inline T ig_emu_rounded(T x) {
  volatile T rounded = x;
  return rounded;
}
static inline float __fadd_rn(float a, float b) { return ig_emu_rounded(a + b); }
static inline float __fsub_rn(float a, float b) { return ig_emu_rounded(a - b); }
static inline float __fmul_rn(float a, float b) { return ig_emu_rounded(a * b); }
static inline float __fdiv_rn(float a, float b) { return ig_emu_rounded(a / b); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __frcp_rn(float x) { return 1.0f / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __frsqrt_rn(float x) { return (float)(1.0 / sqrt((double)x)); }
static inline double __dadd_rn(double a, double b) { return ig_emu_rounded(a + b); }
static inline double __dmul_rn(double a, double b) { return ig_emu_rounded(a * b); }
static inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
static inline float __fdividef(float a, float b) { return a / b; }
/* Macros, since the C library has internal functions of these names. */
#define __expf(x) expf(x)
#define __exp10f(x) powf(10.0f, x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __sincosf(x, sine, cosine) sincosf(x, sine, cosine)
static inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
static inline float rsqrtf(float x) { return (float)(1.0 / sqrt((double)x)); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
static inline float rcbrtf(float x) { return 1.0f / cbrtf(x); }
static inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678f); }
static inline float sinpif(float x) { return (float)sin(M_PI * (double)x); }
static inline float cospif(float x) { return (float)cos(M_PI * (double)x); }

/* --- conversions ------------------------------------------------------------------------------ */

static inline int ig_emu_to_int(double x) {
  return x != x ? 0 : x >= 0x1p31 ? 0x7fffffff : x <= -0x1p31 ? -0x7fffffff - 1 : (int)x;
}
static inline unsigned ig_emu_to_unsigned(double x) {
  return !(x > 0) ? 0 : x >= 0x1p32 ? 0xffffffffu : (unsigned)x;
}
static inline int __float2int_rn(float x) { return ig_emu_to_int(rintf(x)); }
static inline int __float2int_rz(float x) { return ig_emu_to_int(truncf(x)); }
static inline int __float2int_rd(float x) { return ig_emu_to_int(floorf(x)); }
static inline int __float2int_ru(float x) { return ig_emu_to_int(ceilf(x)); }
static inline unsigned __float2uint_rn(float x) { return ig_emu_to_unsigned(rintf(x)); }
static inline unsigned __float2uint_rz(float x) { return ig_emu_to_unsigned(truncf(x)); }
static inline float __int2float_rn(int x) { return (float)x; }
static inline float __uint2float_rn(unsigned x) { return (float)x; }
static inline float __double2float_rn(double x) { return (float)x; }

/* --- minima and maxima, with CUDA's mixed types ----------------------------------------------- */

#define IG_EMU_MIN_MAX(type, a_type, b_type)                                                       \
  static inline type min(a_type a, b_type b) {                                                     \
    return (type)a < (type)b ? (type)a : (type)b;                                                  \
  }                                                                                                \
  static inline type max(a_type a, b_type b) { return (type)a > (type)b ? (type)a : (type)b; }
#define IG_EMU_MIN_MAX_MIXED(wide, narrow)                                                         \
  IG_EMU_MIN_MAX(wide, wide, wide) IG_EMU_MIN_MAX(wide, wide, narrow)                              \
  IG_EMU_MIN_MAX(wide, narrow, wide)
IG_EMU_MIN_MAX(int, int, int)
IG_EMU_MIN_MAX(long, long, long)
IG_EMU_MIN_MAX(long long, long long, long long)
IG_EMU_MIN_MAX_MIXED(unsigned, int)
IG_EMU_MIN_MAX_MIXED(unsigned long, long)
IG_EMU_MIN_MAX_MIXED(unsigned long long, long long)
#undef IG_EMU_MIN_MAX_MIXED
#undef IG_EMU_MIN_MAX
static inline float min(float a, float b) { return fminf(a, b); }
static inline float max(float a, float b) { return fmaxf(a, b); }
static inline double min(double a, double b) { return fmin(a, b); }
static inline double max(double a, double b) { return fmax(a, b); }
static inline double min(float a, double b) { return fmin(a, b); }
static inline double max(float a, double b) { return fmax(a, b); }
static inline double min(double a, float b) { return fmin(a, b); }
static inline double max(double a, float b) { return fmax(a, b); }

/* --- loads and stores with a hint for the caches ---------------------------------------------- */

template <class T> static inline T __ldg(const T *at) { return *at; }
template <class T> static inline T __ldcs(const T *at) { return *at; }
template <class T> static inline T __ldcg(const T *at) { return *at; }
template <class T> static inline T __ldca(const T *at) { return *at; }
template <class T> static inline T __ldlu(const T *at) { return *at; }
template <class T> static inline T __ldcv(const T *at) { return *at; }
template <class T> static inline void __stcs(T *at, T value) { *at = value; }
template <class T> static inline void __stcg(T *at, T value) { *at = value; }
template <class T> static inline void __stwb(T *at, T value) { *at = value; }
template <class T> static inline void __stwt(T *at, T value) { *at = value; }

#endif
