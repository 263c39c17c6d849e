/* Base64 with the padding that RFC 4648 asks for; anything else is refused. */
#include "engine/base/base64.h"

#include "engine/base/checked.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool ig_base64_length(size_t size, size_t *out) {
  size_t groups = size / 3 + (size % 3 != 0);
  return ig_mul_size(groups, 4, out);
}

void ig_base64_encode(const void *bytes, size_t size, char *text) {
  const unsigned char *in = bytes;
  for (; size >= 3; size -= 3, in += 3) {
    *text++ = alphabet[in[0] >> 2];
    *text++ = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
    *text++ = alphabet[(in[1] & 15) << 2 | in[2] >> 6];
    *text++ = alphabet[in[2] & 63];
  }
  if (size > 0) {
    unsigned char second = size == 2 ? in[1] : 0;
    *text++ = alphabet[in[0] >> 2];
    *text++ = alphabet[(in[0] & 3) << 4 | second >> 4];
    *text++ = size == 2 ? alphabet[(second & 15) << 2] : '=';
    *text++ = '=';
  }
  *text = '\0';
}

/* 0 to 63, or 64 for a character outside the alphabet. */
static unsigned value_of(char c) {
  if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
  if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
  if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : 64;
}

bool ig_base64_decode(const char *text, size_t length, void *bytes, size_t size) {
  size_t expected;
  if (!ig_base64_length(size, &expected) || length != expected) return false;
  unsigned char *out = bytes;
  for (; size > 0; text += 4) {
    size_t n = IG_MIN(size, 3);
    unsigned a = value_of(text[0]), b = value_of(text[1]);
    unsigned c = n > 1 ? value_of(text[2]) : 0, d = n > 2 ? value_of(text[3]) : 0;
    if (a > 63 || b > 63 || c > 63 || d > 63) return false;
    if ((n < 3 && text[3] != '=') || (n < 2 && text[2] != '=')) return false;
    *out++ = (unsigned char)(a << 2 | b >> 4);
    if (n > 1) *out++ = (unsigned char)(b << 4 | c >> 2);
    if (n > 2) *out++ = (unsigned char)(c << 6 | d);
    size -= n;
  }
  return true;
}
