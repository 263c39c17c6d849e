/* Element types: sizes, names, and conversion to and from float and double. */
#ifndef IG_BASE_DTYPE_H
#define IG_BASE_DTYPE_H

#include "engine/base/status.h"

/* Bytes of one element; 0 for IG_NONE. */
size_t ig_dtype_size(ig_dtype dtype);
/* "f32", "bf16", ...; "none" for IG_NONE. */
const char *ig_dtype_name(ig_dtype dtype);
/* The dtype of that name, IG_NONE when there is none. */
ig_dtype ig_dtype_parse(const char *name);
/* ONNX's TensorProto.DataType (the attribute of Cast, and the types in files) of a dtype, and back;
 * IG_NONE for a type that Ingot lacks. */
int64_t ig_dtype_to_onnx(ig_dtype dtype);
ig_dtype ig_dtype_from_onnx(int64_t type);
/* Types to compute in: 8-bit floats, which are stored and multiplied alone, are not among them. */
static inline bool ig_dtype_is_float(ig_dtype d) { return d >= IG_F64 && d <= IG_BF16; }
static inline bool ig_dtype_is_f8(ig_dtype d) { return d == IG_F8E4M3 || d == IG_F8E5M2; }
static inline bool ig_dtype_is_int(ig_dtype d) {
  return (d >= IG_I64 && d <= IG_U8) || (d >= IG_U16 && d <= IG_I16);
}
/* Integers of 4 or 2 bits. In memory each has a byte, the signed ones with their sign extended. */
static inline bool ig_dtype_is_short_int(ig_dtype d) { return d >= IG_I4 && d <= IG_U2; }
/* Floats of 8 or 4 bits, those of ig_dtype_is_f8 among them. */
static inline bool ig_dtype_is_small_float(ig_dtype d) {
  return ig_dtype_is_f8(d) || (d >= IG_F8E4M3FNUZ && d <= IG_F4E2M1);
}
/* Of 4 or 2 bits: packed in files, lowest bits first. */
static inline bool ig_dtype_is_packed(ig_dtype d) {
  return ig_dtype_is_short_int(d) || d == IG_F4E2M1;
}
static inline bool ig_dtype_is_unsigned(ig_dtype d) {
  return d == IG_U8 || (d >= IG_U16 && d <= IG_U64) || d == IG_U4 || d == IG_U2;
}
/* Bits of one element in a file. */
int ig_dtype_bits(ig_dtype dtype);
/* The range of an integer type; that of u64 is cut at INT64_MAX. */
void ig_dtype_int_range(ig_dtype dtype, int64_t *least, int64_t *most);

/* `count` elements of a packed type as files have them, ONNX's among them: several to a byte, the first
 * in the lowest bits, (count bits + 7) / 8 bytes; unused bits are 0. Codes in memory are the low bits
 * of a byte. */
size_t ig_dtype_packed_size(ig_dtype dtype, int64_t count);
void ig_dtype_pack(ig_dtype dtype, const uint8_t *elements, int64_t count, uint8_t *packed);
void ig_dtype_unpack(ig_dtype dtype, const uint8_t *packed, int64_t count, uint8_t *elements);

/* What an element of an IG_STRING tensor is; owned by the datum that holds it. */
typedef struct ig_string {
  const char *bytes; /* no NUL at the end */
  size_t size;
} ig_string;

/* bfloat16 is the upper half of a float; rounding is to nearest, ties to even, NaN stays NaN. */
static inline float ig_bf16_to_f32(uint16_t bits) {
  union {
    uint32_t u;
    float f;
  } word = {.u = (uint32_t)bits << 16};
  return word.f;
}

static inline uint16_t ig_f32_to_bf16(float value) {
  union {
    float f;
    uint32_t u;
  } word = {.f = value};
  if ((word.u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((word.u >> 16) | 0x40u);
  return (uint16_t)((word.u + 0x7fffu + ((word.u >> 16) & 1u)) >> 16);
}

float ig_f16_to_f32(uint16_t bits);
uint16_t ig_f32_to_f16(float value);

/* The two formats of "FP8 formats for deep learning" (Micikevicius et al., 2022, table 1). Rounding is
 * to nearest, ties to even; what is beyond the largest number, infinity included, becomes that number,
 * as ONNX's Cast with saturate has it; NaN stays NaN. e5m2's infinity is read as such. */
float ig_f8e4m3_to_f32(uint8_t bits);
float ig_f8e5m2_to_f32(uint8_t bits);
uint8_t ig_f32_to_f8e4m3(float value);
uint8_t ig_f32_to_f8e5m2(float value);

/* What becomes of numbers that a small float (ig_dtype_is_small_float) lacks. All zeros is the default
 * of ONNX's Cast. */
typedef enum ig_power_rounding { IG_POWER_UP, IG_POWER_DOWN, IG_POWER_NEAREST } ig_power_rounding;
typedef struct ig_narrowing {
  bool overflows; /* beyond the largest: infinity, or NaN where there is none, instead of the largest */
  ig_power_rounding rounding; /* to f8e8m0 alone; of two equally near powers the upper */
} ig_narrowing;

/* The code of a number, rounded once to nearest, ties to even (but f8e8m0), and the number of a code.
 * After ONNX's table: f8e8m0 is NaN for what is below 0, and for 0 and what is below its least power
 * the latter, or NaN with `overflows`. f4e2m1 has neither infinity nor NaN: it saturates always, and
 * NaN becomes -0, as ml_dtypes has it. */
uint8_t ig_small_float_encode(ig_dtype dtype, double value, ig_narrowing how);
double ig_small_float_decode(ig_dtype dtype, uint8_t code);

/* Element i of an array, as a double; integers beyond 2^53 round. */
double ig_load_f64(ig_dtype dtype, const void *data, int64_t i);
/* Stores a double, rounded once; integers saturate, NaN becomes 0, bool is `value != 0`. */
void ig_store_f64(ig_dtype dtype, void *data, int64_t i, double value);
/* Element i of an array of integers or bools: the bits of 64, two's complement, which for u64 are those
 * of the number itself. */
int64_t ig_load_i64(ig_dtype dtype, const void *data, int64_t i);
/* Stores the low bits: integers wrap. Of integers and bools, the latter `value != 0`. */
void ig_store_i64(ig_dtype dtype, void *data, int64_t i, int64_t value);
/* Converts `count` elements; same rules as load and store, but integers from integers are exact and
 * wrap, and so do those of 4 and 2 bits from floats, cut to whole numbers, as ONNX's tests have it. The
 * arrays do not overlap unless both dtypes and pointers are equal. */
void ig_convert(ig_dtype from, const void *source, ig_dtype to, void *target, int64_t count);
/* From integers or bools to such: converts as far as the numbers are those of `to`, and gives how many
 * did: `count` when all. */
int64_t ig_convert_exact(ig_dtype from, const void *source, ig_dtype to, void *target,
                         int64_t count);
/* As ig_convert to a small float, from any type. */
void ig_convert_small(ig_dtype from, const void *source, ig_dtype to, void *target, int64_t count,
                      ig_narrowing how);

#endif
