/* Reading follows Clinger (1990), "How to Read Floating Point Numbers Accurately": an integer below 2^53 times
 * or divided by a power of ten up to 10^22 has both operands exact, so that one operation rounds it right.
 * Writing scales to nine digits in double, whose error is far below a digit, and leaves to printf the few
 * values that lie so near the middle of two decimals that this could decide wrongly. */
#include "formats/number_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define EXACT_POWERS 22
#define MOST_DIGITS 19 /* that fit into 64 bits */
#define MOST_EXACT ((uint64_t)1 << 53)
#define NINE_DIGITS 1000000000u

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23,
                                1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35,
                                1e36, 1e37, 1e38, 1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47,
                                1e48, 1e49, 1e50, 1e51, 1e52, 1e53, 1e54};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* "e-5": its length, 0 where that is no exponent; *value is bounded, for what is to be refused anyway. */
static size_t read_exponent(const char *text, size_t length, int *value) {
  size_t i = 1;
  bool negative = false;
  if (i < length && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
  size_t from = i;
  int e = 0;
  for (; i < length && is_digit(text[i]); i++) e = e < 10000 ? 10 * e + (text[i] - '0') : e;
  *value = negative ? -e : e;
  return i > from ? i : 0;
}

size_t ig_number_read(const char *text, size_t length, double *value, bool *whole) {
  size_t i = 0, digits, point = 0;
  bool negative = false;
  uint64_t mantissa = 0;
  int exponent = 0;
  if (i < length && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
  size_t from = i;
  for (; i < length && is_digit(text[i]); i++) mantissa = 10 * mantissa + (uint64_t)(text[i] - '0');
  digits = i - from;
  *whole = true;
  if (i < length && text[i] == '.') {
    point = ++i;
    for (; i < length && is_digit(text[i]); i++) {
      mantissa = 10 * mantissa + (uint64_t)(text[i] - '0');
    }
    digits += i - point;
    exponent = -(int)(i - point);
    *whole = false;
  }
  if (digits == 0 || digits > MOST_DIGITS) return 0;
  if (i < length && (text[i] == 'e' || text[i] == 'E')) {
    int e = 0;
    size_t taken = read_exponent(text + i, length - i, &e);
    if (!taken) return 0;
    i += taken;
    exponent += e;
    *whole = false;
  }
  if (mantissa > MOST_EXACT || exponent > EXACT_POWERS || exponent < -EXACT_POWERS) return 0;
  double v = exponent < 0 ? (double)mantissa / powers[-exponent]
                          : (double)mantissa * powers[exponent];
  *value = negative ? -v : v;
  return i;
}

size_t ig_number_write_int(int64_t value, char text[IG_NUMBER_BYTES]) {
  char digits[20];
  size_t n = 0, at = 0;
  uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  do digits[n++] = (char)('0' + rest % 10);
  while ((rest /= 10) > 0);
  if (value < 0) text[at++] = '-';
  while (n > 0) text[at++] = digits[--n];
  return at;
}

/* The nine digits of `value` > 0, and the place of the first: value = d.dddddddd * 10^place. False where
 * rounding to nine digits is too near to call. */
static bool nine_digits(double value, uint32_t *digits, int *place) {
  int binary;
  frexp(value, &binary);
  int p = (int)floor((binary - 1) * 0.30102999566398120); /* at most one too small */
  double scaled = p <= 8 ? value * powers[8 - p] : value / powers[p - 8];
  if (scaled >= NINE_DIGITS) {
    p++;
    scaled = p <= 8 ? value * powers[8 - p] : value / powers[p - 8];
  }
  double below = floor(scaled), part = scaled - below;
  if (fabs(part - 0.5) < 1e-5) return false;
  *digits = (uint32_t)below + (part > 0.5);
  *place = p;
  if (*digits == NINE_DIGITS) {
    *digits = NINE_DIGITS / 10;
    ++*place;
  }
  return true;
}

/* As "%g" lays nine digits out: without the zeros at the end, with an exponent outside of 1e-4 to 1e9. */
static size_t lay_out(uint32_t digits, int place, char *text) {
  char d[9];
  int n = 9;
  for (int i = 8; i >= 0; i--, digits /= 10) d[i] = (char)('0' + digits % 10);
  while (n > 1 && d[n - 1] == '0') n--;
  size_t at = 0;
  if (place >= -4 && place < 0) {
    memcpy(text, "0.000", 5);
    at = (size_t)(1 - place);
    memcpy(text + at, d, (size_t)n);
    return at + (size_t)n;
  }
  int before = place >= 0 && place < 9 ? place + 1 : 1;
  for (int i = 0; i < before; i++) text[at++] = d[i];
  if (n > before) text[at++] = '.';
  for (int i = before; i < n; i++) text[at++] = d[i];
  if (place >= 0 && place < 9) return at;
  text[at++] = 'e';
  text[at++] = place < 0 ? '-' : '+';
  int e = place < 0 ? -place : place;
  text[at++] = (char)('0' + e / 10);
  text[at++] = (char)('0' + e % 10);
  return at;
}

size_t ig_number_write_float(float value, char text[IG_NUMBER_BYTES]) {
  uint32_t digits;
  int place;
  size_t at = 0;
  if (value == 0 || !isfinite(value) || !nine_digits(fabs((double)value), &digits, &place)) {
    return (size_t)snprintf(text, IG_NUMBER_BYTES, "%.9g", (double)value);
  }
  if (value < 0) text[at++] = '-';
  return at + lay_out(digits, place, text + at);
}
