/* Checked size arithmetic: every size that depends on input is computed here, so that an overflow
 * becomes an error and never a short buffer. Each returns false on overflow (or a negative
 * operand for the signed family) and leaves *out unspecified. */
#ifndef IG_BASE_CHECKED_H
#define IG_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool ig_add_size(size_t a, size_t b, size_t *out) {
  return !__builtin_add_overflow(a, b, out);
}

static inline bool ig_mul_size(size_t a, size_t b, size_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}

/* Rounds up to a multiple of `alignment`, a power of two. */
static inline bool ig_align_size(size_t a, size_t alignment, size_t *out) {
  size_t sum;
  if (__builtin_add_overflow(a, alignment - 1, &sum)) return false;
  *out = sum & ~(alignment - 1);
  return true;
}

static inline bool ig_mul_dim(int64_t a, int64_t b, int64_t *out) {
  return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, out);
}

static inline bool ig_add_dim(int64_t a, int64_t b, int64_t *out) {
  return a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, out);
}

/* True when [offset, offset + length) lies within `total` bytes. */
static inline bool ig_range_within(uint64_t offset, uint64_t length, uint64_t total) {
  return length <= total && offset <= total - length;
}

#endif
