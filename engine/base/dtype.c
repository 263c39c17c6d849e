/* Sizes, names, packing and conversions of element types. The f32/bf16/f16 pairs have their own loops
 * since they run in training; every other pair goes element by element. */
#include "engine/base/dtype.h"

#include <math.h>
#include <string.h>

static const struct {
  const char *name;
  size_t size;
} dtypes[] = {
    [IG_NONE] = {"none", 0}, [IG_F64] = {"f64", 8}, [IG_F32] = {"f32", 4},
    [IG_F16] = {"f16", 2},   [IG_BF16] = {"bf16", 2}, [IG_I64] = {"i64", 8},
    [IG_I32] = {"i32", 4},   [IG_I8] = {"i8", 1},   [IG_U8] = {"u8", 1},
    [IG_BOOL] = {"bool", 1}, [IG_F8E4M3] = {"f8e4m3", 1}, [IG_F8E5M2] = {"f8e5m2", 1},
    [IG_U16] = {"u16", 2},   [IG_U32] = {"u32", 4}, [IG_U64] = {"u64", 8},
    [IG_I16] = {"i16", 2},   [IG_I4] = {"i4", 1},   [IG_U4] = {"u4", 1},
    [IG_I2] = {"i2", 1},     [IG_U2] = {"u2", 1},   [IG_F8E4M3FNUZ] = {"f8e4m3fnuz", 1},
    [IG_F8E5M2FNUZ] = {"f8e5m2fnuz", 1}, [IG_F8E8M0] = {"f8e8m0", 1},
    [IG_F4E2M1] = {"f4e2m1", 1}, [IG_STRING] = {"string", sizeof(ig_string)},
};

size_t ig_dtype_size(ig_dtype dtype) {
  return (unsigned)dtype < IG_COUNT(dtypes) ? dtypes[dtype].size : 0;
}

const char *ig_dtype_name(ig_dtype dtype) {
  return (unsigned)dtype < IG_COUNT(dtypes) ? dtypes[dtype].name : "none";
}

ig_dtype ig_dtype_parse(const char *name) {
  for (int i = 1; i < IG_COUNT(dtypes); i++) {
    if (strcmp(name, dtypes[i].name) == 0) return (ig_dtype)i;
  }
  return IG_NONE;
}

static const uint8_t onnx_types[] = {
    [IG_F64] = 11, [IG_F32] = 1, [IG_F16] = 10, [IG_BF16] = 16, [IG_I64] = 7,
    [IG_I32] = 6,  [IG_I8] = 3,  [IG_U8] = 2,   [IG_BOOL] = 9,
    [IG_F8E4M3] = 17, [IG_F8E5M2] = 19, [IG_U16] = 4, [IG_U32] = 12, [IG_U64] = 13, [IG_I16] = 5,
    [IG_I4] = 22, [IG_U4] = 21, [IG_I2] = 26, [IG_U2] = 25, [IG_F8E4M3FNUZ] = 18,
    [IG_F8E5M2FNUZ] = 20, [IG_F8E8M0] = 24, [IG_F4E2M1] = 23, [IG_STRING] = 8,
};

int64_t ig_dtype_to_onnx(ig_dtype dtype) {
  return (unsigned)dtype < IG_COUNT(onnx_types) ? onnx_types[dtype] : 0;
}

ig_dtype ig_dtype_from_onnx(int64_t type) {
  for (int i = 1; i < IG_COUNT(onnx_types); i++) {
    if (onnx_types[i] == type) return (ig_dtype)i;
  }
  return IG_NONE;
}

int ig_dtype_bits(ig_dtype dtype) {
  if (dtype == IG_I2 || dtype == IG_U2) return 2;
  return ig_dtype_is_packed(dtype) ? 4 : 8 * (int)ig_dtype_size(dtype);
}

/* --- types below a byte ----------------------------------------------------------------------- */

/* The low bits of a byte as an element: signed ones with their sign extended. */
static uint8_t short_int(ig_dtype dtype, uint8_t byte) {
  unsigned bits = (unsigned)ig_dtype_bits(dtype), mask = (1u << bits) - 1, code = byte & mask;
  bool negative = (dtype == IG_I4 || dtype == IG_I2) && code >> (bits - 1);
  return (uint8_t)(negative ? code | ~mask : code);
}

size_t ig_dtype_packed_size(ig_dtype dtype, int64_t count) {
  int64_t each = 8 / ig_dtype_bits(dtype);
  return (size_t)(count / each + (count % each != 0));
}

void ig_dtype_pack(ig_dtype dtype, const uint8_t *elements, int64_t count, uint8_t *packed) {
  int bits = ig_dtype_bits(dtype), each = 8 / bits;
  memset(packed, 0, ig_dtype_packed_size(dtype, count));
  for (int64_t i = 0; i < count; i++) {
    unsigned code = elements[i] & ((1u << bits) - 1);
    packed[i / each] = (uint8_t)(packed[i / each] | code << (i % each * bits));
  }
}

void ig_dtype_unpack(ig_dtype dtype, const uint8_t *packed, int64_t count, uint8_t *elements) {
  int bits = ig_dtype_bits(dtype), each = 8 / bits;
  for (int64_t i = 0; i < count; i++) {
    elements[i] = short_int(dtype, (uint8_t)(packed[i / each] >> (i % each * bits)));
  }
}

/* --- numbers of one element --------------------------------------------------------------------- */

typedef union float_bits {
  uint32_t u;
  float f;
} float_bits;

/* Without branches, so that the loops of ig_convert become vector code. The product rebiases the
 * exponent, and normalises subnormal numbers on the way. */
float ig_f16_to_f32(uint16_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, magnitude = (uint32_t)(bits & 0x7fffu) << 13;
  float_bits scaled = {.u = magnitude};
  scaled.f *= 0x1p112f;
  uint32_t special = magnitude | 0x7f800000u; /* infinity and NaN */
  float_bits word = {.u = sign | (magnitude >= 0x0f800000u ? special : scaled.u)};
  return word.f;
}

uint16_t ig_f32_to_f16(float value) {
  float_bits word = {.f = value};
  uint32_t sign = (word.u >> 16) & 0x8000u, magnitude = word.u & 0x7fffffffu;
  uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
  float_bits small = {.u = magnitude};
  small.f += 0.5f; /* below 2^-14 the adder rounds to a multiple of 2^-24 */
  uint32_t half = magnitude < 0x38800000u ? small.u & 0x7ffu : normal;
  half = magnitude >= 0x477ff000u ? 0x7c00u : half; /* rounds to 65,520 or more */
  half = magnitude > 0x7f800000u ? 0x7e00u : half;
  return (uint16_t)(sign | half);
}

/* As f16: a product rebiases the exponent (from 7 to 127). */
float ig_f8e4m3_to_f32(uint8_t bits) {
  uint32_t sign = (uint32_t)(bits & 0x80u) << 24, magnitude = bits & 0x7fu;
  float_bits word = {.u = magnitude << 20};
  word.f *= 0x1p120f;
  word.u = sign | (magnitude == 0x7fu ? 0x7fc00000u : word.u);
  return word.f;
}

float ig_f8e5m2_to_f32(uint8_t bits) { /* the upper half of a f16 */
  return ig_f16_to_f32((uint16_t)(bits << 8));
}

/* The significand loses `shift` bits; `bias` is the difference of the exponents' biases in its place.
 * Below `least`, the smallest normal number, adding `unit` leaves the multiple of the smallest number
 * in the last bits. `most` is the code of the largest number; NaN is 0x7f. */
static inline uint8_t to_f8(float value, int shift, uint32_t bias, uint32_t least, float unit,
                            uint32_t most) {
  float_bits word = {.f = value};
  uint32_t sign = (word.u >> 24) & 0x80u, magnitude = word.u & 0x7fffffffu;
  uint32_t half = (1u << (shift - 1)) - 1;
  uint32_t normal = (magnitude + half + ((magnitude >> shift) & 1u) - bias) >> shift;
  float_bits small = {.u = magnitude};
  small.f += unit;
  uint32_t code = magnitude < least ? small.u & 0xfu : normal;
  code = code > most || magnitude >= 0x7f800000u ? most : code;
  code = magnitude > 0x7f800000u ? 0x7fu : code;
  return (uint8_t)(sign | code);
}

uint8_t ig_f32_to_f8e4m3(float value) {
  return to_f8(value, 20, 120u << 23, 0x3c800000u, 0x1p14f, 0x7e); /* 2^-6, in units of 2^-9 */
}

uint8_t ig_f32_to_f8e5m2(float value) {
  return to_f8(value, 21, 112u << 23, 0x38800000u, 0x1p7f, 0x7b); /* 2^-14, in units of 2^-16 */
}

double ig_load_f64(ig_dtype dtype, const void *data, int64_t i) {
  switch (dtype) {
  case IG_F64: return ((const double *)data)[i];
  case IG_F32: return ((const float *)data)[i];
  case IG_F16: return ig_f16_to_f32(((const uint16_t *)data)[i]);
  case IG_BF16: return ig_bf16_to_f32(((const uint16_t *)data)[i]);
  case IG_F8E4M3: return (double)ig_f8e4m3_to_f32(((const uint8_t *)data)[i]);
  case IG_F8E5M2: return (double)ig_f8e5m2_to_f32(((const uint8_t *)data)[i]);
  case IG_F8E4M3FNUZ:
  case IG_F8E5M2FNUZ:
  case IG_F8E8M0:
  case IG_F4E2M1: return ig_small_float_decode(dtype, ((const uint8_t *)data)[i]);
  case IG_U64: return (double)((const uint64_t *)data)[i];
  default: return (double)ig_load_i64(dtype, data, i);
  }
}

int64_t ig_load_i64(ig_dtype dtype, const void *data, int64_t i) {
  switch (dtype) {
  case IG_I64:
  case IG_U64: return ((const int64_t *)data)[i];
  case IG_I32: return ((const int32_t *)data)[i];
  case IG_U32: return ((const uint32_t *)data)[i];
  case IG_I16: return ((const int16_t *)data)[i];
  case IG_U16: return ((const uint16_t *)data)[i];
  case IG_I8:
  case IG_I4:
  case IG_I2: return ((const int8_t *)data)[i];
  case IG_U8:
  case IG_U4:
  case IG_U2:
  case IG_BOOL: return ((const uint8_t *)data)[i];
  default: return 0;
  }
}

void ig_store_i64(ig_dtype dtype, void *data, int64_t i, int64_t value) {
  uint64_t bits = (uint64_t)value;
  switch (dtype) {
  case IG_I64:
  case IG_U64: ((uint64_t *)data)[i] = bits; break;
  case IG_I32:
  case IG_U32: ((uint32_t *)data)[i] = (uint32_t)bits; break;
  case IG_I16:
  case IG_U16: ((uint16_t *)data)[i] = (uint16_t)bits; break;
  case IG_I8:
  case IG_U8: ((uint8_t *)data)[i] = (uint8_t)bits; break;
  case IG_I4:
  case IG_U4:
  case IG_I2:
  case IG_U2: ((uint8_t *)data)[i] = short_int(dtype, (uint8_t)bits); break;
  case IG_BOOL: ((uint8_t *)data)[i] = value != 0; break;
  default: break;
  }
}

void ig_dtype_int_range(ig_dtype dtype, int64_t *least, int64_t *most) {
  int bits = ig_dtype_bits(dtype);
  int64_t half = (int64_t)((UINT64_C(1) << (bits - 1)) - 1); /* 2^(bits - 1) - 1 */
  bool natural = ig_dtype_is_unsigned(dtype);
  *least = natural ? 0 : -half - 1;
  *most = natural && bits < 64 ? 2 * half + 1 : half;
}

/* A number that floats lack goes to the neighbour whose last bit is 1: then rounding the float again, to
 * fewer bits by at least two, is as rounding the number once (Boldo and Melquiond, "Emulation of a FMA
 * and correctly rounded sums: proved algorithms using rounding to odd", 2008). */
static float rounded_to_odd(double value) {
  float_bits word = {.f = (float)value};
  if (isnan(value) || (double)word.f == value) return word.f;
  if (fabs((double)word.f) > fabs(value)) word.u--; /* towards zero; infinity becomes the largest */
  word.u |= 1;
  return word.f;
}

static void store_int(ig_dtype dtype, void *data, int64_t i, double value) {
  int64_t least, most;
  ig_dtype_int_range(dtype, &least, &most);
  double whole = isnan(value) ? 0 : trunc(value);
  if (dtype == IG_U64) {
    ((uint64_t *)data)[i] = whole >= 0x1p64 ? UINT64_MAX : whole < 0 ? 0 : (uint64_t)whole;
  } else if (whole >= (double)most) {
    ig_store_i64(dtype, data, i, most);
  } else {
    ig_store_i64(dtype, data, i, whole <= (double)least ? least : (int64_t)whole);
  }
}

void ig_store_f64(ig_dtype dtype, void *data, int64_t i, double value) {
  switch (dtype) {
  case IG_F64: ((double *)data)[i] = value; break;
  case IG_F32: ((float *)data)[i] = (float)value; break;
  case IG_F16: ((uint16_t *)data)[i] = ig_f32_to_f16(rounded_to_odd(value)); break;
  case IG_BF16: ((uint16_t *)data)[i] = ig_f32_to_bf16(rounded_to_odd(value)); break;
  case IG_BOOL: ((uint8_t *)data)[i] = value != 0; break;
  case IG_F8E4M3: ((uint8_t *)data)[i] = ig_f32_to_f8e4m3(rounded_to_odd(value)); break;
  case IG_F8E5M2: ((uint8_t *)data)[i] = ig_f32_to_f8e5m2(rounded_to_odd(value)); break;
  case IG_F8E4M3FNUZ:
  case IG_F8E5M2FNUZ:
  case IG_F8E8M0:
  case IG_F4E2M1:
    ((uint8_t *)data)[i] = ig_small_float_encode(dtype, value, (ig_narrowing){0});
    break;
  case IG_NONE:
  case IG_STRING: break;
  default: store_int(dtype, data, i, value); break;
  }
}

static bool is_whole(ig_dtype d) {
  return ig_dtype_is_int(d) || ig_dtype_is_short_int(d) || d == IG_BOOL;
}

/* Every other pair, an element at a time. 64-bit integers to f32 do not pass through double, which
 * would round twice. */
static void convert_element(ig_dtype from, const void *source, ig_dtype to, void *target, int64_t i) {
  if (is_whole(from) && is_whole(to)) {
    ig_store_i64(to, target, i, ig_load_i64(from, source, i));
  } else if (from == IG_I64 && to == IG_F32) {
    ((float *)target)[i] = (float)((const int64_t *)source)[i];
  } else if (from == IG_U64 && to == IG_F32) {
    ((float *)target)[i] = (float)((const uint64_t *)source)[i];
  } else if (ig_dtype_is_short_int(to)) {
    int64_t whole;
    ig_store_f64(IG_I64, &whole, 0, ig_load_f64(from, source, i));
    ig_store_i64(to, target, i, whole);
  } else {
    ig_store_f64(to, target, i, ig_load_f64(from, source, i));
  }
}

void ig_convert(ig_dtype from, const void *source, ig_dtype to, void *target, int64_t count) {
  if (from == to) {
    if (source != target) memcpy(target, source, (size_t)count * ig_dtype_size(to));
  } else if (from == IG_F32 && to == IG_BF16) {
    for (int64_t i = 0; i < count; i++)
      ((uint16_t *)target)[i] = ig_f32_to_bf16(((const float *)source)[i]);
  } else if (from == IG_BF16 && to == IG_F32) {
    for (int64_t i = 0; i < count; i++)
      ((float *)target)[i] = ig_bf16_to_f32(((const uint16_t *)source)[i]);
  } else if (from == IG_F32 && to == IG_F16) {
    for (int64_t i = 0; i < count; i++)
      ((uint16_t *)target)[i] = ig_f32_to_f16(((const float *)source)[i]);
  } else if (from == IG_F16 && to == IG_F32) {
    for (int64_t i = 0; i < count; i++)
      ((float *)target)[i] = ig_f16_to_f32(((const uint16_t *)source)[i]);
  } else if (from == IG_U8 && to == IG_F32) {
    for (int64_t i = 0; i < count; i++) ((float *)target)[i] = ((const uint8_t *)source)[i];
  } else {
    for (int64_t i = 0; i < count; i++) convert_element(from, source, to, target, i);
  }
}

int64_t ig_convert_exact(ig_dtype from, const void *source, ig_dtype to, void *target,
                         int64_t count) {
  int64_t least = 0, most = 1; /* of bools */
  if (to != IG_BOOL) ig_dtype_int_range(to, &least, &most);
  for (int64_t i = 0; i < count; i++) {
    int64_t value = ig_load_i64(from, source, i);
    bool upper = from == IG_U64 && value < 0; /* 2^63 and more */
    if (upper ? to != IG_U64 : value < least || value > most) return i;
    ig_store_i64(to, target, i, value);
  }
  return count;
}

void ig_convert_small(ig_dtype from, const void *source, ig_dtype to, void *target, int64_t count,
                      ig_narrowing how) {
  for (int64_t i = 0; i < count; i++) {
    ((uint8_t *)target)[i] = ig_small_float_encode(to, ig_load_f64(from, source, i), how);
  }
}
