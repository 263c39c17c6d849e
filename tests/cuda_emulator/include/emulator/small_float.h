/* Narrow floating-point numbers: rounding to nearest, ties to even, for any exponent and
 * mantissa, and the operators and functions that CUDA gives its 16-bit types. Arithmetic is in
 * float, rounded once: float has more than twice the mantissa's bits and two more, so that sums,
 * products and quotients are as if rounded from the exact value. */
#ifndef IG_EMULATOR_SMALL_FLOAT_H
#define IG_EMULATOR_SMALL_FLOAT_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The bits of `x` rounded to 1 sign, E exponent and M mantissa bits, with IEEE's infinity and
 * NaN. */
template <int E, int M> static inline unsigned ig_emu_narrow(double x) {
  const int bias = (1 << (E - 1)) - 1;
  const unsigned infinity = ((1u << E) - 1) << M;
  unsigned sign = (unsigned)(signbit(x) ? 1u << (E + M) : 0);
  double magnitude = fabs(x);
  if (x != x) return 0x7fffffffu >> (31 - E - M); /* CUDA's NaN: all bits but the sign */
  if (magnitude == 0) return sign;
  int exponent;
  frexp(magnitude, &exponent); /* magnitude = f * 2^exponent, f in [0.5, 1) */
  if (isinf(magnitude) || exponent > bias + 1) return sign | infinity;
  int least = exponent - 1 < 1 - bias ? 1 - bias : exponent - 1; /* subnormals share the least */
  /* In units of the last place; rint rounds ties to even. A carry runs on into the exponent. */
  unsigned units = (unsigned)rint(ldexp(magnitude, M - least));
  unsigned bits = ((unsigned)(least + bias - 1) << M) + units;
  return sign | (bits > infinity ? infinity : bits);
}

template <int E, int M> static inline float ig_emu_widen(unsigned bits) {
  const int bias = (1 << (E - 1)) - 1;
  unsigned exponent = bits >> M & ((1u << E) - 1), mantissa = bits & ((1u << M) - 1);
  float magnitude;
  if (exponent == (1u << E) - 1) magnitude = mantissa ? NAN : INFINITY;
  else if (exponent == 0) magnitude = ldexpf((float)mantissa, 1 - bias - M);
  else magnitude = ldexpf((float)(mantissa | 1u << M), (int)exponent - bias - M);
  return bits >> (E + M) & 1 ? -magnitude : magnitude;
}

/* Operators and the functions of one and two elements. */
#define IG_EMU_SMALL_OPERATORS(type, to_float, from_float)                                         \
  static inline type operator+(type a, type b) { return from_float(to_float(a) + to_float(b)); }   \
  static inline type operator-(type a, type b) { return from_float(to_float(a) - to_float(b)); }   \
  static inline type operator*(type a, type b) { return from_float(to_float(a) * to_float(b)); }   \
  static inline type operator/(type a, type b) { return from_float(to_float(a) / to_float(b)); }   \
  static inline type operator-(type a) { return from_float(-to_float(a)); }                        \
  static inline type &operator+=(type &a, type b) { return a = a + b; }                            \
  static inline type &operator-=(type &a, type b) { return a = a - b; }                            \
  static inline type &operator*=(type &a, type b) { return a = a * b; }                            \
  static inline type &operator/=(type &a, type b) { return a = a / b; }                            \
  static inline bool operator==(type a, type b) { return to_float(a) == to_float(b); }             \
  static inline bool operator!=(type a, type b) { return to_float(a) != to_float(b); }             \
  static inline bool operator<(type a, type b) { return to_float(a) < to_float(b); }               \
  static inline bool operator>(type a, type b) { return to_float(a) > to_float(b); }               \
  static inline bool operator<=(type a, type b) { return to_float(a) <= to_float(b); }             \
  static inline bool operator>=(type a, type b) { return to_float(a) >= to_float(b); }             \
  static inline type __hadd(type a, type b) { return a + b; }                                      \
  static inline type __hsub(type a, type b) { return a - b; }                                      \
  static inline type __hmul(type a, type b) { return a * b; }                                      \
  static inline type __hdiv(type a, type b) { return a / b; }                                      \
  static inline type __hneg(type a) { return -a; }                                                 \
  static inline type __habs(type a) { return from_float(fabsf(to_float(a))); }                     \
  static inline type __hmax(type a, type b) {                                                      \
    return from_float(fmaxf(to_float(a), to_float(b)));                                            \
  }                                                                                                \
  static inline type __hmin(type a, type b) {                                                      \
    return from_float(fminf(to_float(a), to_float(b)));                                            \
  }                                                                                                \
  static inline type __hfma(type a, type b, type c) {                                              \
    return type((double)to_float(a) * to_float(b) + to_float(c));                                  \
  }                                                                                                \
  static inline bool __heq(type a, type b) { return a == b; }                                      \
  static inline bool __hne(type a, type b) { return a != b; }                                      \
  static inline bool __hlt(type a, type b) { return a < b; }                                       \
  static inline bool __hgt(type a, type b) { return a > b; }                                       \
  static inline bool __hle(type a, type b) { return a <= b; }                                      \
  static inline bool __hge(type a, type b) { return a >= b; }                                      \
  static inline bool __hisnan(type a) { return to_float(a) != to_float(a); }                       \
  static inline int __hisinf(type a) {                                                             \
    return isinf(to_float(a)) ? (to_float(a) > 0 ? 1 : -1) : 0;                                    \
  }                                                                                                \
  static inline type hexp(type a) { return from_float(expf(to_float(a))); }                        \
  static inline type hlog(type a) { return from_float(logf(to_float(a))); }                        \
  static inline type hsqrt(type a) { return from_float(sqrtf(to_float(a))); }                      \
  static inline type hrsqrt(type a) { return from_float(1.0f / sqrtf(to_float(a))); }              \
  static inline type __ldg(const type *at) { return *at; }                                         \
  static inline type atomicAdd(type *at, type value) {                                             \
    type old = *at;                                                                                \
    *at = old + value;                                                                             \
    return old;                                                                                    \
  }

/* The same for pairs, element by element. */
#define IG_EMU_PAIR_OPERATORS(pair, type)                                                          \
  static inline pair operator+(pair a, pair b) { return pair(a.x + b.x, a.y + b.y); }              \
  static inline pair operator-(pair a, pair b) { return pair(a.x - b.x, a.y - b.y); }              \
  static inline pair operator*(pair a, pair b) { return pair(a.x * b.x, a.y * b.y); }              \
  static inline pair operator/(pair a, pair b) { return pair(a.x / b.x, a.y / b.y); }              \
  static inline pair operator-(pair a) { return pair(-a.x, -a.y); }                                \
  static inline pair __hadd2(pair a, pair b) { return a + b; }                                     \
  static inline pair __hsub2(pair a, pair b) { return a - b; }                                     \
  static inline pair __hmul2(pair a, pair b) { return a * b; }                                     \
  static inline pair __hneg2(pair a) { return -a; }                                                \
  static inline pair __hmax2(pair a, pair b) { return pair(__hmax(a.x, b.x), __hmax(a.y, b.y)); }  \
  static inline pair __hmin2(pair a, pair b) { return pair(__hmin(a.x, b.x), __hmin(a.y, b.y)); }  \
  static inline pair __hfma2(pair a, pair b, pair c) {                                             \
    return pair(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y));                                     \
  }

#endif
