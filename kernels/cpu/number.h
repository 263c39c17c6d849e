/* Elements of any number type held exactly: reals as double, integers in 64 bits, signed or not. For
 * kernels that serve every type where no type deserves a loop of its own. */
#ifndef IG_KERNELS_CPU_NUMBER_H
#define IG_KERNELS_CPU_NUMBER_H

#include <math.h>

#include "engine/base/dtype.h"

typedef enum ig_kind { IG_KIND_REAL, IG_KIND_SIGNED, IG_KIND_UNSIGNED } ig_kind;

typedef union ig_number {
  double real;
  int64_t whole;
  uint64_t natural;
} ig_number;

/* bool counts as unsigned. */
static inline ig_kind ig_kind_of(ig_dtype dtype) {
  switch (dtype) {
  case IG_I64:
  case IG_I32:
  case IG_I16:
  case IG_I8:
  case IG_I4:
  case IG_I2: return IG_KIND_SIGNED;
  case IG_U64:
  case IG_U32:
  case IG_U16:
  case IG_U8:
  case IG_U4:
  case IG_U2:
  case IG_BOOL: return IG_KIND_UNSIGNED;
  default: return IG_KIND_REAL;
  }
}

static inline ig_number ig_load_number(ig_dtype dtype, const void *data, int64_t i) {
  switch (dtype) {
  case IG_F32: return (ig_number){.real = (double)((const float *)data)[i]};
  case IG_I64: return (ig_number){.whole = ((const int64_t *)data)[i]};
  case IG_I32: return (ig_number){.whole = ((const int32_t *)data)[i]};
  case IG_I16: return (ig_number){.whole = ((const int16_t *)data)[i]};
  case IG_I8:
  case IG_I4:
  case IG_I2: return (ig_number){.whole = ((const int8_t *)data)[i]};
  case IG_U64: return (ig_number){.natural = ((const uint64_t *)data)[i]};
  case IG_U32: return (ig_number){.natural = ((const uint32_t *)data)[i]};
  case IG_U16: return (ig_number){.natural = ((const uint16_t *)data)[i]};
  case IG_U8:
  case IG_U4:
  case IG_U2:
  case IG_BOOL: return (ig_number){.natural = ((const uint8_t *)data)[i]};
  default: return (ig_number){.real = ig_load_f64(dtype, data, i)};
  }
}

/* Integers wrap; bool is `value != 0`. */
static inline void ig_store_number(ig_dtype dtype, void *data, int64_t i, ig_number value) {
  switch (dtype) {
  case IG_F32: ((float *)data)[i] = (float)value.real; break;
  case IG_I64:
  case IG_U64: ((uint64_t *)data)[i] = value.natural; break;
  case IG_I32:
  case IG_U32: ((uint32_t *)data)[i] = (uint32_t)value.natural; break;
  case IG_I16:
  case IG_U16: ((uint16_t *)data)[i] = (uint16_t)value.natural; break;
  case IG_I8:
  case IG_U8: ((uint8_t *)data)[i] = (uint8_t)value.natural; break;
  case IG_BOOL: ((uint8_t *)data)[i] = value.natural != 0; break;
  default: ig_store_f64(dtype, data, i, value.real);
  }
}

/* -1, 0 or 1 as a is less than, equal to or greater than b; NaN above everything. */
static inline int ig_number_compare(ig_kind kind, ig_number a, ig_number b) {
  if (kind == IG_KIND_SIGNED) return (a.whole > b.whole) - (a.whole < b.whole);
  if (kind == IG_KIND_UNSIGNED) return (a.natural > b.natural) - (a.natural < b.natural);
  if (isnan(a.real) || isnan(b.real)) return !!isnan(a.real) - !!isnan(b.real);
  return (a.real > b.real) - (a.real < b.real);
}

static inline ig_number ig_number_add(ig_kind kind, ig_number a, ig_number b) {
  if (kind == IG_KIND_REAL) return (ig_number){.real = a.real + b.real};
  return (ig_number){.natural = a.natural + b.natural};
}

static inline ig_number ig_number_multiply(ig_kind kind, ig_number a, ig_number b) {
  if (kind == IG_KIND_REAL) return (ig_number){.real = a.real * b.real};
  return (ig_number){.natural = a.natural * b.natural};
}

/* NaN where one is NaN, as NumPy's minimum and maximum have it. */
static inline ig_number ig_number_least(ig_kind kind, ig_number a, ig_number b) {
  if (kind == IG_KIND_REAL && isnan(a.real) != isnan(b.real)) return isnan(a.real) ? a : b;
  return ig_number_compare(kind, b, a) < 0 ? b : a;
}

static inline ig_number ig_number_most(ig_kind kind, ig_number a, ig_number b) {
  if (kind == IG_KIND_REAL && isnan(a.real) != isnan(b.real)) return isnan(a.real) ? a : b;
  return ig_number_compare(kind, b, a) > 0 ? b : a;
}

static inline ig_number ig_number_of(ig_kind kind, int value) {
  if (kind == IG_KIND_REAL) return (ig_number){.real = value};
  return (ig_number){.whole = value};
}

#endif
