/* Integers of 64 bits as two's complement, without undefined overflow; those of u64 (`natural`) by their
 * bits. */
#ifndef IG_KERNELS_CPU_INTEGERS_H
#define IG_KERNELS_CPU_INTEGERS_H

#include <stdbool.h>
#include <stdint.h>

static inline int64_t ig_wrap_add(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t ig_wrap_sub(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a - (uint64_t)b);
}

static inline int64_t ig_wrap_mul(int64_t a, int64_t b) {
  return (int64_t)((uint64_t)a * (uint64_t)b);
}

static inline bool ig_int_less(int64_t a, int64_t b, bool natural) {
  return natural ? (uint64_t)a < (uint64_t)b : a < b;
}

#endif
