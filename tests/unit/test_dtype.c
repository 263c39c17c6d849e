/* Element types: the small floats against what Python's ml_dtypes 0.6 says of every code, their rounding
 * at every middle between two codes, 64-bit integers that no double holds, and packing. The tables are
 *   np.arange(n, dtype=np.uint8).view(ml_dtypes.float8_e4m3fnuz).astype(np.float64)
 * and the like, of the codes without sign. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/dtype.h"

static const double e4m3fnuz[] = {
    0, 0.0009765625, 0.001953125, 0.0029296875, 0.00390625, 0.0048828125, 0.005859375,
    0.0068359375, 0.0078125, 0.0087890625, 0.009765625, 0.0107421875, 0.01171875, 0.0126953125,
    0.013671875, 0.0146484375, 0.015625, 0.017578125, 0.01953125, 0.021484375, 0.0234375,
    0.025390625, 0.02734375, 0.029296875, 0.03125, 0.03515625, 0.0390625, 0.04296875, 0.046875,
    0.05078125, 0.0546875, 0.05859375, 0.0625, 0.0703125, 0.078125, 0.0859375, 0.09375,
    0.1015625, 0.109375, 0.1171875, 0.125, 0.140625, 0.15625, 0.171875, 0.1875, 0.203125,
    0.21875, 0.234375, 0.25, 0.28125, 0.3125, 0.34375, 0.375, 0.40625, 0.4375, 0.46875, 0.5,
    0.5625, 0.625, 0.6875, 0.75, 0.8125, 0.875, 0.9375, 1, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75,
    1.875, 2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 3.75, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 9, 10, 11,
    12, 13, 14, 15, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 80,
    88, 96, 104, 112, 120, 128, 144, 160, 176, 192, 208, 224, 240};

static const double e5m2fnuz[] = {
    0, 7.62939453125e-06, 1.52587890625e-05, 2.288818359375e-05, 3.0517578125e-05,
    3.814697265625e-05, 4.57763671875e-05, 5.340576171875e-05, 6.103515625e-05,
    7.62939453125e-05, 9.1552734375e-05, 0.0001068115234375, 0.0001220703125, 0.000152587890625,
    0.00018310546875, 0.000213623046875, 0.000244140625, 0.00030517578125, 0.0003662109375,
    0.00042724609375, 0.00048828125, 0.0006103515625, 0.000732421875, 0.0008544921875,
    0.0009765625, 0.001220703125, 0.00146484375, 0.001708984375, 0.001953125, 0.00244140625,
    0.0029296875, 0.00341796875, 0.00390625, 0.0048828125, 0.005859375, 0.0068359375, 0.0078125,
    0.009765625, 0.01171875, 0.013671875, 0.015625, 0.01953125, 0.0234375, 0.02734375, 0.03125,
    0.0390625, 0.046875, 0.0546875, 0.0625, 0.078125, 0.09375, 0.109375, 0.125, 0.15625, 0.1875,
    0.21875, 0.25, 0.3125, 0.375, 0.4375, 0.5, 0.625, 0.75, 0.875, 1, 1.25, 1.5, 1.75, 2, 2.5,
    3, 3.5, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128,
    160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560,
    3072, 3584, 4096, 5120, 6144, 7168, 8192, 10240, 12288, 14336, 16384, 20480, 24576, 28672,
    32768, 40960, 49152, 57344};

static const double e2m1[] = {
    0, 0.5, 1, 1.5, 2, 3, 4, 6};

/* --- small floats ------------------------------------------------------------------------------- */

static uint8_t code_of(ig_dtype dtype, double value, bool overflows) {
  return ig_small_float_encode(dtype, value, (ig_narrowing){.overflows = overflows});
}

/* Each number, the middles between neighbours (to even codes) and what is just beside them. */
static void check_codes(ig_dtype dtype, const double *table, int n, int sign) {
  for (int code = 0; code < n; code++) {
    uint8_t plus = (uint8_t)code, minus = (uint8_t)(code | sign);
    assert_true(ig_load_f64(dtype, &plus, 0) == table[code]);
    assert_int_equal(code_of(dtype, table[code], false), code);
    if (code || dtype == IG_F4E2M1) {
      assert_true(ig_load_f64(dtype, &minus, 0) == -table[code]);
      assert_int_equal(code_of(dtype, -table[code], true), minus);
    }
    if (code + 1 == n) break;
    double middle = (table[code] + table[code + 1]) / 2;
    assert_int_equal(code_of(dtype, middle, false), code + code % 2);
    assert_int_equal(code_of(dtype, nextafter(middle, 1e9), false), code + 1);
    assert_int_equal(code_of(dtype, nextafter(middle, 0), false), code);
  }
}

static void fnuz_and_e2m1_tables(void **state) {
  IG_UNUSED(state);
  check_codes(IG_F8E4M3FNUZ, e4m3fnuz, 128, 0x80);
  check_codes(IG_F8E5M2FNUZ, e5m2fnuz, 128, 0x80);
  check_codes(IG_F4E2M1, e2m1, 8, 0x08);
  static const ig_dtype fnuz[] = {IG_F8E4M3FNUZ, IG_F8E5M2FNUZ};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(code_of(fnuz[i], -0.0, false), 0);
    assert_int_equal(code_of(fnuz[i], -1e-30, false), 0);
    assert_int_equal(code_of(fnuz[i], NAN, false), 0x80);
    assert_int_equal(code_of(fnuz[i], (double)-INFINITY, false), 0xff);
    assert_int_equal(code_of(fnuz[i], (double)INFINITY, true), 0x80);
    assert_int_equal(code_of(fnuz[i], -1e9, true), 0x80);
    uint8_t nan = 0x80;
    assert_true(isnan(ig_load_f64(fnuz[i], &nan, 0)));
  }
}

/* The two that ig_f32_to_f8e4m3 and ig_f32_to_f8e5m2 also make, whose tables test_base.c has. */
static void both_ways_to_f8_agree(void **state) {
  IG_UNUSED(state);
  for (uint32_t bits = 0; bits < 0xffff0000u; bits += 0x7fff) {
    float x;
    memcpy(&x, &bits, sizeof x);
    assert_int_equal(code_of(IG_F8E4M3, (double)x, false), ig_f32_to_f8e4m3(x));
    assert_int_equal(code_of(IG_F8E5M2, (double)x, false), ig_f32_to_f8e5m2(x));
  }
  for (int code = 0; code < 256; code++) {
    double a = ig_small_float_decode(IG_F8E4M3, (uint8_t)code);
    double b = ig_small_float_decode(IG_F8E5M2, (uint8_t)code);
    float want_a = ig_f8e4m3_to_f32((uint8_t)code), want_b = ig_f8e5m2_to_f32((uint8_t)code);
    assert_true(isnan(want_a) ? isnan(a) : a == (double)want_a);
    assert_true(isnan(want_b) ? isnan(b) : b == (double)want_b);
  }
}

/* ONNX's table of Cast: saturate = 0. */
static void what_overflows(void **state) {
  IG_UNUSED(state);
  static const struct {
    ig_dtype dtype;
    double value;
    uint8_t code;
  } rows[] = {
      {IG_F8E4M3, 464, 0x7e},         {IG_F8E4M3, 465, 0x7f},
      {IG_F8E4M3, -465, 0xff},        {IG_F8E4M3, (double)INFINITY, 0x7f},
      {IG_F8E4M3, (double)-INFINITY, 0xff}, {IG_F8E4M3, NAN, 0x7f},
      {IG_F8E5M2, 61440, 0x7c},       {IG_F8E5M2, 61439, 0x7b},
      {IG_F8E5M2, -1e9, 0xfc},        {IG_F8E5M2, (double)INFINITY, 0x7c},
      {IG_F4E2M1, 1e9, 0x7},          {IG_F4E2M1, NAN, 0x8},
      {IG_F4E2M1, (double)-INFINITY, 0xf},
  };
  for (int i = 0; i < IG_COUNT(rows); i++) {
    assert_int_equal(code_of(rows[i].dtype, rows[i].value, true), rows[i].code);
  }
}

static uint8_t power(double value, ig_power_rounding rounding, bool overflows) {
  return ig_small_float_encode(IG_F8E8M0, value, (ig_narrowing){overflows, rounding});
}

static void powers_of_two(void **state) {
  IG_UNUSED(state);
  for (int code = 0; code < 255; code++) {
    double want = ldexp(1, code - 127), past = nextafter(want, INFINITY);
    uint8_t byte = (uint8_t)code;
    assert_true(ig_load_f64(IG_F8E8M0, &byte, 0) == want);
    for (int r = 0; r < 3; r++) assert_int_equal(power(want, (ig_power_rounding)r, true), code);
    assert_int_equal(power(past, IG_POWER_DOWN, true), code);
    assert_int_equal(power(past, IG_POWER_NEAREST, true), code);
    assert_int_equal(power(past, IG_POWER_UP, true), code + 1); /* 255 is NaN */
    assert_int_equal(power(past, IG_POWER_UP, false), IG_MIN(code + 1, 254));
    assert_int_equal(power(1.5 * want, IG_POWER_NEAREST, true), code + 1);
    assert_int_equal(power(nextafter(1.5 * want, 0), IG_POWER_NEAREST, true), code);
  }
  assert_int_equal(power(0, IG_POWER_UP, false), 0);
  assert_int_equal(power(0, IG_POWER_NEAREST, true), 255);
  assert_int_equal(power(0x1p-130, IG_POWER_DOWN, false), 0);
  assert_int_equal(power(0x1p-130, IG_POWER_DOWN, true), 255);
  assert_int_equal(power(INFINITY, IG_POWER_UP, false), 254);
  assert_int_equal(power(INFINITY, IG_POWER_UP, true), 255);
  assert_int_equal(power(NAN, IG_POWER_UP, false), 255);
  assert_int_equal(power(-2, IG_POWER_UP, false), 255);
}

/* --- integers ----------------------------------------------------------------------------------- */

static void integers_are_exact(void **state) {
  IG_UNUSED(state);
  static const uint64_t wide[] = {0, 1, 0x8000000000000001u, UINT64_MAX, 0x20000000000001u};
  int64_t same[5];
  uint32_t low[5];
  int16_t half[5];
  uint8_t four[5], flags[5];
  ig_convert(IG_U64, wide, IG_I64, same, 5);
  assert_memory_equal(same, wide, sizeof wide);
  uint64_t back[5];
  ig_convert(IG_I64, same, IG_U64, back, 5);
  assert_memory_equal(back, wide, sizeof wide);
  ig_convert(IG_U64, wide, IG_U32, low, 5);
  assert_memory_equal(low, ((uint32_t[]){0, 1, 1, UINT32_MAX, 1}), sizeof low);
  ig_convert(IG_U32, low, IG_I16, half, 5);
  assert_memory_equal(half, ((int16_t[]){0, 1, 1, -1, 1}), sizeof half);
  ig_convert(IG_I16, half, IG_U4, four, 5);
  assert_memory_equal(four, ((uint8_t[]){0, 1, 1, 15, 1}), sizeof four);
  ig_convert(IG_U64, wide, IG_BOOL, flags, 5);
  assert_memory_equal(flags, ((uint8_t[]){0, 1, 1, 1, 1}), sizeof flags);
  static const int8_t eight[] = {-9, 7, 8, -1, 17};
  int8_t signed_four[5], two[5];
  ig_convert(IG_I8, eight, IG_I4, signed_four, 5);
  assert_memory_equal(signed_four, ((int8_t[]){7, 7, -8, -1, 1}), 5);
  ig_convert(IG_I4, signed_four, IG_I2, two, 5);
  assert_memory_equal(two, ((int8_t[]){-1, -1, 0, -1, 1}), 5);
  ig_convert(IG_I2, two, IG_U64, back, 5);
  assert_memory_equal(back, ((uint64_t[]){UINT64_MAX, UINT64_MAX, 0, UINT64_MAX, 1}), sizeof back);
}

/* Between 2^53 and 2^64, where a double in between would round once too often: numpy's astype. */
static void integers_to_floats_round_once(void **state) {
  IG_UNUSED(state);
  static const int64_t near[] = {0x4000004000000001, -0x4000004000000001};
  float f[2];
  ig_convert(IG_I64, near, IG_F32, f, 2);
  assert_true(f[0] == 0x1.000002p62f && f[1] == -0x1.000002p62f);
  static const uint64_t far[] = {0x8000008000000001u, UINT64_MAX};
  ig_convert(IG_U64, far, IG_F32, f, 2);
  assert_true(f[0] == 0x1.000002p63f && f[1] == 0x1p64f);
  assert_true(ig_load_f64(IG_U64, far, 1) == 0x1p64);
}

/* Just past a middle of the narrow type by less than a float sees; the halves are as numpy's astype
 * (float16) has them. */
static void doubles_round_once(void **state) {
  IG_UNUSED(state);
  static const double x[] = {1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11, 1 + 0x1p-8 + 0x1p-40, 65520 - 0x1p-30, 65520};
  uint16_t h[5];
  ig_convert(IG_F64, x, IG_F16, h, 5);
  assert_memory_equal(h, ((uint16_t[]){0x3c01, 0x3c00, 0x3c04, 0x7bff, 0x7c00}), sizeof h);
  ig_convert(IG_F64, x, IG_BF16, h, 3);
  assert_memory_equal(h, ((uint16_t[]){0x3f80, 0x3f80, 0x3f81}), 3 * sizeof *h);
  static const double e[] = {1 + 0x1p-4 + 0x1p-40, 1e300, -1e300, 1e-300};
  uint8_t codes[4];
  ig_convert(IG_F64, e, IG_F8E4M3, codes, 4);
  assert_memory_equal(codes, ((uint8_t[]){0x39, 0x7e, 0xfe, 0}), 4);
}

static void floats_to_integers(void **state) {
  IG_UNUSED(state);
  static const double x[] = {-1e30, -8.9, 2.9, 255.5, 1e30, NAN, 9.3e18, 1.8446744073709552e19};
  uint64_t u64[8];
  ig_convert(IG_F64, x, IG_U64, u64, 8);
  static const uint64_t want[] = {0, 0, 2, 255, UINT64_MAX, 0, 9300000000000000000u, UINT64_MAX};
  assert_memory_equal(u64, want, sizeof want);
  uint16_t u16[8];
  ig_convert(IG_F64, x, IG_U16, u16, 8);
  assert_memory_equal(u16, ((uint16_t[]){0, 0, 2, 255, 65535, 0, 65535, 65535}), sizeof u16);
  int16_t i16[8];
  ig_convert(IG_F64, x, IG_I16, i16, 8);
  assert_memory_equal(i16, ((int16_t[]){-32768, -8, 2, 255, 32767, 0, 32767, 32767}), sizeof i16);
  /* what ml_dtypes does: cut, then wrapped */
  static const float y[] = {-9, -8.5f, -1.5f, 1.7f, 8, 15, 255, 300};
  int8_t four[8];
  ig_convert(IG_F32, y, IG_I4, four, 8);
  assert_memory_equal(four, ((int8_t[]){7, -8, -1, 1, -8, -1, -1, -4}), 8);
  uint8_t two[8];
  ig_convert(IG_F32, y, IG_U2, two, 8);
  assert_memory_equal(two, ((uint8_t[]){3, 0, 3, 1, 0, 3, 3, 0}), 8);
  ig_store_f64(IG_I4, four, 0, 99); /* a store saturates */
  assert_int_equal(four[0], 7);
}

static void ranges(void **state) {
  IG_UNUSED(state);
  static const struct {
    ig_dtype dtype;
    int64_t least, most;
  } rows[] = {
      {IG_I64, INT64_MIN, INT64_MAX}, {IG_U64, 0, INT64_MAX}, {IG_I32, INT32_MIN, INT32_MAX},
      {IG_U32, 0, UINT32_MAX}, {IG_I16, -32768, 32767}, {IG_U16, 0, 65535}, {IG_I8, -128, 127},
      {IG_U8, 0, 255}, {IG_I4, -8, 7}, {IG_U4, 0, 15}, {IG_I2, -2, 1}, {IG_U2, 0, 3},
  };
  for (int i = 0; i < IG_COUNT(rows); i++) {
    int64_t least, most;
    ig_dtype_int_range(rows[i].dtype, &least, &most);
    assert_true(least == rows[i].least && most == rows[i].most);
  }
}

/* --- packing ------------------------------------------------------------------------------------ */

/* onnx.helper.make_tensor("x", TensorProto.INT4, [5], [1, -2, 7, -8, 3]).int32_data and the like; the
 * last byte's upper half is 0. */
static void packs_as_onnx_does(void **state) {
  IG_UNUSED(state);
  static const int8_t four[] = {1, -2, 7, -8, 3};
  static const uint8_t packed_four[] = {0xe1, 0x87, 0x03};
  static const int8_t two[] = {1, -2, 0, -1, -1};
  static const uint8_t packed_two[] = {0xc9, 0x03};
  uint8_t packed[3], elements[5];
  assert_int_equal(ig_dtype_packed_size(IG_I4, 5), 3);
  ig_dtype_pack(IG_I4, (const uint8_t *)four, 5, packed);
  assert_memory_equal(packed, packed_four, 3);
  ig_dtype_unpack(IG_I4, packed, 5, elements);
  assert_memory_equal(elements, four, 5);
  ig_dtype_unpack(IG_U4, packed, 5, elements);
  assert_memory_equal(elements, ((uint8_t[]){1, 14, 7, 8, 3}), 5);
  ig_dtype_unpack(IG_F4E2M1, packed, 5, elements);
  assert_memory_equal(elements, ((uint8_t[]){1, 14, 7, 8, 3}), 5);
  assert_int_equal(ig_dtype_packed_size(IG_I2, 5), 2);
  ig_dtype_pack(IG_I2, (const uint8_t *)two, 5, packed);
  assert_memory_equal(packed, packed_two, 2);
  ig_dtype_unpack(IG_I2, packed, 5, elements);
  assert_memory_equal(elements, two, 5);
  ig_dtype_unpack(IG_U2, packed, 4, elements);
  assert_memory_equal(elements, ((uint8_t[]){1, 2, 0, 3}), 4);
  assert_int_equal(ig_dtype_packed_size(IG_U2, 0), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fnuz_and_e2m1_tables),
      cmocka_unit_test(both_ways_to_f8_agree),
      cmocka_unit_test(what_overflows),
      cmocka_unit_test(powers_of_two),
      cmocka_unit_test(integers_are_exact),
      cmocka_unit_test(integers_to_floats_round_once),
      cmocka_unit_test(doubles_round_once),
      cmocka_unit_test(floats_to_integers),
      cmocka_unit_test(ranges),
      cmocka_unit_test(packs_as_onnx_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
