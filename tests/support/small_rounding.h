/* Rounding to few bits, for references: normal numbers alone. */
#ifndef IG_TESTS_SMALL_ROUNDING_H
#define IG_TESTS_SMALL_ROUNDING_H

#include <math.h>
#include <stdbool.h>

/* Significant bits kept, ties to even, within the normal range. */
static inline double rounded(double x, int bits) {
  if (x == 0 || !isfinite(x)) return x;
  int exponent;
  double scale = ldexp(1, bits), fraction = frexp(x, &exponent);
  return ldexp(nearbyint(fraction * scale) / scale, exponent);
}

static inline double limited(double x, double most, bool saturate, double beyond) {
  if (fabs(x) <= most) return x;
  return copysign(saturate ? most : beyond, x);
}

#endif
