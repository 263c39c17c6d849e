/* Floats of 8 and 4 bits by their definition, one number at a time: the two of OCP's "8-bit floating point"
 * and the two without negative zero ("8-bit Numerical Formats for Deep Neural Networks", Noune et al.,
 * 2022), and f8e8m0 and f4e2m1 of OCP's "Microscaling Formats (MX)", version 1.0. */
#include <math.h>

#include "engine/base/dtype.h"

/* code = sign, exponent, fraction: (1 + fraction / 2^bits) 2^(exponent - bias), or with an exponent of 0
 * fraction / 2^bits 2^(1 - bias). */
typedef struct small_format {
  int bits, bias;
  uint8_t sign; /* that bit */
  uint8_t most; /* the largest number's code */
  uint8_t infinity, nan; /* codes; 0 where there is none */
  bool one_zero;         /* no negative one, and no sign of NaN */
} small_format;

static const small_format e4m3 = {3, 7, 0x80, 0x7e, 0, 0x7f, false};
static const small_format e5m2 = {2, 15, 0x80, 0x7b, 0x7c, 0x7f, false};
static const small_format e4m3fnuz = {3, 8, 0x80, 0x7f, 0, 0x80, true};
static const small_format e5m2fnuz = {2, 16, 0x80, 0x7f, 0, 0x80, true};
static const small_format e2m1 = {1, 1, 0x08, 0x07, 0, 0, false};

static const small_format *format_of(ig_dtype dtype) {
  switch (dtype) {
  case IG_F8E4M3: return &e4m3;
  case IG_F8E5M2: return &e5m2;
  case IG_F8E4M3FNUZ: return &e4m3fnuz;
  case IG_F8E5M2FNUZ: return &e5m2fnuz;
  default: return &e2m1;
  }
}

/* Of a finite magnitude; beyond the largest number, some greater code. */
static unsigned code_of(const small_format *f, double magnitude) {
  if (magnitude == 0) return 0;
  if (magnitude >= 0x1p20) return 0x100;
  int exponent;
  frexp(magnitude, &exponent);
  exponent = IG_MAX(exponent - 1, 1 - f->bias);
  /* Whole units of the last place, whose overflow carries into the exponent. */
  unsigned units = (unsigned)nearbyint(ldexp(magnitude, f->bits - exponent));
  return ((unsigned)(exponent + f->bias - 1) << f->bits) + units;
}

/* --- powers of two ------------------------------------------------------------------------------ */

#define POWER_BIAS 127
#define POWER_MOST 254
#define POWER_NAN 255

static uint8_t power_of(double value, ig_narrowing how) {
  if (isnan(value) || value < 0) return POWER_NAN;
  if (value == 0) return how.overflows ? POWER_NAN : 0;
  if (isinf(value)) return how.overflows ? POWER_NAN : POWER_MOST;
  int exponent;
  double fraction = frexp(value, &exponent); /* in [1/2, 1) */
  bool up = how.rounding == IG_POWER_UP        ? fraction > 0.5
            : how.rounding == IG_POWER_NEAREST ? fraction >= 0.75
                                               : false;
  int code = exponent - 1 + up + POWER_BIAS;
  if (code < 0) return how.overflows ? POWER_NAN : 0;
  if (code > POWER_MOST) return how.overflows ? POWER_NAN : POWER_MOST;
  return (uint8_t)code;
}

/* --- all ---------------------------------------------------------------------------------------- */

uint8_t ig_small_float_encode(ig_dtype dtype, double value, ig_narrowing how) {
  if (dtype == IG_F8E8M0) return power_of(value, how);
  const small_format *f = format_of(dtype);
  uint8_t sign = signbit(value) ? f->sign : 0;
  if (dtype == IG_F4E2M1 && isnan(value)) return f->sign;
  bool beyond = isnan(value) || isinf(value);
  unsigned code = beyond ? 0x100 : code_of(f, fabs(value));
  if (isnan(value) || (code > f->most && how.overflows && dtype != IG_F4E2M1)) {
    code = isnan(value) || !f->infinity ? f->nan : f->infinity;
    return (uint8_t)(f->one_zero ? code : code | sign);
  }
  if (code > f->most) code = f->most;
  return (uint8_t)(f->one_zero && !code ? 0 : code | sign);
}

double ig_small_float_decode(ig_dtype dtype, uint8_t code) {
  if (dtype == IG_F8E8M0) return code == POWER_NAN ? (double)NAN : ldexp(1, code - POWER_BIAS);
  const small_format *f = format_of(dtype);
  bool negative = code & f->sign;
  int magnitude = code & (f->sign - 1), exponent = magnitude >> f->bits;
  int fraction = magnitude & ((1 << f->bits) - 1);
  double value = exponent ? ldexp((1 << f->bits) + fraction, exponent - f->bias - f->bits)
                          : ldexp(fraction, 1 - f->bias - f->bits);
  if (f->one_zero && code == f->nan) return (double)NAN;
  if (magnitude > f->most) value = magnitude == f->infinity ? (double)INFINITY : (double)NAN;
  return negative ? -value : value;
}
