/* Shamir's scheme without tables and without branches on secrets: neither time nor cache lines depend
 * on them. */
#include "dist/federate_shamir.h"

#include "dist/federate_secret.h"

/* Carry-less product modulo x^8 + x^4 + x^3 + x + 1. */
static uint8_t multiply(uint8_t a, uint8_t b) {
  uint8_t product = 0;
  for (int bit = 0; bit < 8; bit++) {
    product ^= (uint8_t)(a & (uint8_t) - (b & 1));
    uint8_t carry = (uint8_t) - (a >> 7);
    a = (uint8_t)((uint8_t)(a << 1) ^ (carry & 0x1b));
    b >>= 1;
  }
  return product;
}

/* a^254, which is 1 / a for a != 0. */
static uint8_t inverse(uint8_t a) {
  uint8_t power = a, result = 1;
  for (int bit = 1; bit < 8; bit++) {
    power = multiply(power, power);
    result = multiply(result, power);
  }
  return result;
}

static ig_status check_points(int threshold, int n, const uint8_t *xs) {
  IG_CHECK(n <= IG_FED_MOST_SHARES && threshold >= 1 && threshold <= n, IG_ERR_USAGE,
           "secret sharing: expected 1 <= threshold <= n <= %d, found %d and %d",
           IG_FED_MOST_SHARES, threshold, n);
  bool seen[IG_FED_MOST_SHARES + 1] = {true};
  for (int i = 0; i < n; i++) {
    IG_CHECK(!seen[xs[i]], IG_ERR_INPUT, "secret sharing: point %d is zero or there twice", xs[i]);
    seen[xs[i]] = true;
  }
  return IG_OK;
}

ig_status ig_fed_split(const uint8_t *secret, size_t size, int threshold, int n, const uint8_t *xs,
                       uint8_t *shares) {
  IG_TRY(check_points(threshold, n, xs));
  uint8_t coefficients[IG_FED_MOST_SHARES];
  for (size_t byte = 0; byte < size; byte++) {
    ig_fed_random(coefficients, (size_t)threshold - 1);
    for (int i = 0; i < n; i++) {
      uint8_t value = 0;
      for (int k = threshold - 2; k >= 0; k--) value = multiply(value ^ coefficients[k], xs[i]);
      shares[(size_t)i * size + byte] = value ^ secret[byte];
    }
  }
  ig_fed_forget(coefficients, sizeof coefficients);
  return IG_OK;
}

ig_status ig_fed_combine(size_t size, int threshold, const uint8_t *xs, const uint8_t *shares,
                         uint8_t *secret) {
  IG_TRY(check_points(threshold, threshold, xs));
  for (size_t byte = 0; byte < size; byte++) secret[byte] = 0;
  for (int i = 0; i < threshold; i++) {
    uint8_t weight = 1; /* Lagrange's polynomial of the point, at zero */
    for (int j = 0; j < threshold; j++) {
      if (j != i) weight = multiply(weight, multiply(xs[j], inverse(xs[i] ^ xs[j])));
    }
    for (size_t byte = 0; byte < size; byte++) {
      secret[byte] ^= multiply(weight, shares[(size_t)i * size + byte]);
    }
  }
  return IG_OK;
}
