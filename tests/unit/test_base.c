/* The base layer: random numbers against published vectors, conversions against their definitions,
 * shapes, arenas, the error line. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "engine/base/shape.h"

/* Known answers of Philox4x32-10, from the kat_vectors file of the authors' Random123 library. */
static void philox_known_answers(void **state) {
  IG_UNUSED(state);
  static const struct {
    uint32_t counter[4], key[2], want[4];
  } known[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (int i = 0; i < IG_COUNT(known); i++) {
    ig_rng rng = {.key = {known[i].key[0], known[i].key[1]}};
    memcpy(rng.counter, known[i].counter, sizeof rng.counter);
    uint32_t got[4];
    ig_rng_block(&rng, 0, got);
    assert_memory_equal(got, known[i].want, sizeof got);
  }
}

static void streams_differ_and_moments_fit(void **state) {
  IG_UNUSED(state);
  ig_rng a = ig_rng_stream(1, IG_RNG_TEST, 0, 0), b = ig_rng_stream(1, IG_RNG_TEST, 0, 1);
  ig_rng c = ig_rng_stream(1, IG_RNG_INIT, 0, 0), d = ig_rng_stream(1, IG_RNG_TEST, 1, 0);
  int equal = 0;
  double sum = 0, squares = 0, uniform = 0;
  const int n = 200000;
  for (int i = 0; i < n; i++) {
    uint32_t x = ig_rng_u32(&a, (uint64_t)i);
    equal += x == ig_rng_u32(&b, (uint64_t)i);
    equal += x == ig_rng_u32(&c, (uint64_t)i);
    equal += x == ig_rng_u32(&d, (uint64_t)i);
    double z = (double)ig_rng_normal(&a, (uint64_t)i);
    sum += z;
    squares += z * z;
    uniform += (double)ig_rng_uniform(&a, (uint64_t)i);
  }
  assert_true(equal < 5); /* chance: n * 3 / 2^32 */
  /* Five standard errors of mean and variance. */
  assert_true(fabs(sum / n) < 5 / sqrt(n));
  assert_true(fabs(squares / n - 1) < 5 * sqrt(2.0 / n));
  assert_true(fabs(uniform / n - 0.5) < 5 * sqrt(1.0 / 12 / n));
}

static void normals_in_bulk_are_the_single_ones(void **state) {
  IG_UNUSED(state);
  ig_rng rng = ig_rng_stream(7, IG_RNG_TEST, 3, 5);
  float bulk[37];
  ig_rng_normals(&rng, 6, 37, bulk);
  for (int i = 0; i < 37; i++) {
    float one = ig_rng_normal(&rng, (uint64_t)(6 + i));
    assert_memory_equal(&bulk[i], &one, sizeof one);
  }
}

static void permutations_visit_all_once(void **state) {
  IG_UNUSED(state);
  static const uint64_t sizes[] = {1, 2, 3, 7, 64, 1000, 65537};
  for (int s = 0; s < IG_COUNT(sizes); s++) {
    uint64_t n = sizes[s], in_place = 0;
    ig_rng rng = ig_rng_stream(3, IG_RNG_SHUFFLE, (uint64_t)s, 0);
    char *seen = ig_alloc_zero(n, 1);
    for (uint64_t i = 0; i < n; i++) {
      uint64_t j = ig_rng_permute(&rng, i, n);
      assert_true(j < n);
      assert_false(seen[j]);
      seen[j] = 1;
      in_place += i == j;
    }
    if (n >= 1000) assert_true(in_place < 12); /* a random permutation has about one fixed point */
    ig_free(seen);
  }
}

static float f16_by_definition(uint16_t bits) {
  int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  double value = exponent == 31 ? (fraction ? NAN : INFINITY)
                 : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                : ldexp(fraction, -24);
  return (float)(bits & 0x8000 ? -value : value);
}

static void f16_all_values(void **state) {
  IG_UNUSED(state);
  for (int bits = 0; bits < 65536; bits++) {
    float want = f16_by_definition((uint16_t)bits), got = ig_f16_to_f32((uint16_t)bits);
    if (isnan(want)) {
      assert_true(isnan(got));
      assert_true(isnan(ig_f16_to_f32(ig_f32_to_f16(got))));
      continue;
    }
    assert_memory_equal(&got, &want, sizeof got);
    assert_int_equal(ig_f32_to_f16(got), bits);
    if ((bits & 0x7fff) >= 0x7bff) continue; /* the largest number's upper neighbour is infinity */
    /* Halfway to the next number goes to the even one; a little past it goes up. */
    float next = f16_by_definition((uint16_t)(bits + 1)), middle = (want + next) / 2;
    assert_int_equal(ig_f32_to_f16(middle), bits & 1 ? bits + 1 : bits);
    assert_int_equal(ig_f32_to_f16(nextafterf(middle, next)), bits + 1);
    assert_int_equal(ig_f32_to_f16(nextafterf(middle, want)), bits);
  }
  assert_int_equal(ig_f32_to_f16(65519.996f), 0x7bff);
  assert_int_equal(ig_f32_to_f16(65520.0f), 0x7c00);
}

/* The tables of Micikevicius et al., 2022: e4m3 has no infinity and one NaN a sign, e5m2 is IEEE's. */
static double f8_by_definition(ig_dtype dtype, int bits) {
  bool wide = dtype == IG_F8E5M2;
  int fraction_bits = wide ? 2 : 3, bias = wide ? 15 : 7;
  int exponent = (bits & 0x7f) >> fraction_bits, fraction = bits & ((1 << fraction_bits) - 1);
  double value = exponent ? ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits)
                          : ldexp(fraction, 1 - bias - fraction_bits);
  if (wide && exponent == 31) value = fraction ? (double)NAN : (double)INFINITY;
  if (!wide && (bits & 0x7f) == 0x7f) value = (double)NAN;
  return bits & 0x80 ? -value : value;
}

static uint8_t f8_of(ig_dtype dtype, double value) {
  uint8_t code;
  ig_store_f64(dtype, &code, 0, value);
  return code;
}

static void f8_all_values(ig_dtype dtype, int most) {
  for (int bits = 0; bits < 256; bits++) {
    uint8_t code = (uint8_t)bits;
    double want = f8_by_definition(dtype, bits), got = ig_load_f64(dtype, &code, 0);
    if (isnan(want)) {
      assert_true(isnan(got) && f8_of(dtype, got) == (0x7f | (signbit(got) ? 0x80 : 0)));
      continue;
    }
    assert_memory_equal(&got, &want, sizeof got);
    int magnitude = bits & 0x7f, sign = bits & 0x80;
    assert_int_equal(f8_of(dtype, got), magnitude > most ? sign | most : bits);
    if (magnitude >= most) continue;
    double next = f8_by_definition(dtype, bits + 1), middle = (want + next) / 2;
    float past = nextafterf((float)middle, (float)next);
    float before = nextafterf((float)middle, (float)want);
    assert_int_equal(f8_of(dtype, middle), bits & 1 ? bits + 1 : bits);
    assert_int_equal(f8_of(dtype, (double)past), bits + 1);
    assert_int_equal(f8_of(dtype, (double)before), bits);
  }
  double largest = f8_by_definition(dtype, most);
  for (double x = largest; x < 1e40; x *= 1.01) { /* the last ones are infinite as floats */
    assert_int_equal(f8_of(dtype, x), most);
    assert_int_equal(f8_of(dtype, -x), 0x80 | most);
  }
  assert_int_equal(f8_of(dtype, 0x1p-149), 0);
}

static void f8_tables(void **state) {
  IG_UNUSED(state);
  f8_all_values(IG_F8E4M3, 0x7e);
  f8_all_values(IG_F8E5M2, 0x7b);
  assert_true(f8_by_definition(IG_F8E4M3, 0x7e) == 448);
  assert_true(f8_by_definition(IG_F8E5M2, 0x7b) == 57344);
  assert_int_equal(ig_dtype_parse("f8e4m3"), IG_F8E4M3);
  assert_int_equal(ig_dtype_from_onnx(19), IG_F8E5M2);
  uint8_t codes[3];
  ig_convert(IG_F32, (const float[]){1.0f, -0.3f, 500.0f}, IG_F8E4M3, codes, 3);
  assert_memory_equal(codes, ((uint8_t[]){0x38, 0xaa, 0x7e}), 3);
}

static void bf16_rounds_to_even(void **state) {
  IG_UNUSED(state);
  for (int bits = 0; bits < 0x7f80; bits++) {
    float low = ig_bf16_to_f32((uint16_t)bits), high = ig_bf16_to_f32((uint16_t)(bits + 1));
    assert_int_equal(ig_f32_to_bf16(low), bits);
    if (bits + 1 == 0x7f80) continue;
    float middle = low + (high - low) / 2;
    assert_int_equal(ig_f32_to_bf16(middle), bits & 1 ? bits + 1 : bits);
    assert_int_equal(ig_f32_to_bf16(-middle), 0x8000 | (bits & 1 ? bits + 1 : bits));
  }
  assert_true(isnan(ig_bf16_to_f32(ig_f32_to_bf16(NAN))));
}

static void conversions_saturate_and_wrap(void **state) {
  IG_UNUSED(state);
  static const float reals[] = {-1e9f, -129, -1.5f, 0, 1.5f, 300, 1e30f, NAN};
  int8_t i8[8];
  ig_convert(IG_F32, reals, IG_I8, i8, 8);
  static const int8_t want[] = {-128, -128, -1, 0, 1, 127, 127, 0};
  assert_memory_equal(i8, want, sizeof want);
  static const int64_t longs[] = {-1, 255, 256, 4294967297, INT64_MIN};
  int32_t i32[5];
  ig_convert(IG_I64, longs, IG_I32, i32, 5);
  static const int32_t wrapped[] = {-1, 255, 256, 1, 0};
  assert_memory_equal(i32, wrapped, sizeof wrapped);
  uint8_t flags[4];
  ig_convert(IG_F32, (float[]){0, -0.0f, 0.5f, NAN}, IG_BOOL, flags, 4);
  static const uint8_t truth[] = {0, 0, 1, 1};
  assert_memory_equal(flags, truth, sizeof truth);
}

static void shapes_broadcast(void **state) {
  IG_UNUSED(state);
  ig_shape a = IG_SHAPE(8, 1, 6, 1), b = IG_SHAPE(7, 1, 5), out;
  assert_true(ig_shape_broadcast(&a, &b, &out));
  assert_string_equal(IG_SHAPE_STR(&out), "[8, 7, 6, 5]");
  int64_t strides[IG_MAX_RANK];
  ig_shape_broadcast_strides(&b, &out, strides);
  static const int64_t want[] = {0, 5, 0, 1};
  assert_memory_equal(strides, want, sizeof want);
  ig_shape c = IG_SHAPE(3), d = IG_SHAPE(4);
  assert_false(ig_shape_broadcast(&c, &d, &out));
  ig_shape scalar = IG_SCALAR;
  assert_true(ig_shape_broadcast(&c, &scalar, &out));
  assert_true(ig_shape_equal(&out, &c));
  assert_int_equal(ig_shape_axis(&a, -1), 3);
  assert_int_equal(ig_shape_axis(&a, 4), -1);
}

static void shapes_that_overflow_are_refused(void **state) {
  IG_UNUSED(state);
  ig_shape huge = IG_SHAPE(INT64_MAX, 2), wide = IG_SHAPE(INT64_MAX / 2), bad = IG_SHAPE(-1);
  assert_int_equal(ig_shape_check(&huge, IG_I8), IG_ERR_SHAPE);
  assert_int_equal(ig_shape_check(&wide, IG_F32), IG_ERR_SHAPE);
  assert_int_equal(ig_shape_check(&bad, IG_F32), IG_ERR_SHAPE);
  ig_shape hidden = IG_SHAPE(0, INT64_MAX, 2); /* empty, but its strides would overflow */
  assert_int_equal(ig_shape_check(&hidden, IG_F32), IG_ERR_SHAPE);
  size_t size;
  assert_false(ig_mul_size(SIZE_MAX / 2 + 1, 2, &size));
  assert_false(ig_align_size(SIZE_MAX - 3, 64, &size));
  assert_false(ig_range_within(UINT64_MAX, 2, 100));
  assert_true(ig_range_within(98, 2, 100));
}

static void arenas_align_and_count(void **state) {
  IG_UNUSED(state);
  ig_arena *arena = ig_arena_create();
  size_t total = 0;
  for (size_t size = 1; size < 300000; size = size * 3 + 1) {
    unsigned char *p = ig_arena_alloc(arena, size);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % (size >= 64 ? 64 : 16), 0);
    for (size_t i = 0; i < size; i++) assert_int_equal(p[i], 0);
    memset(p, 0xff, size); /* must not be seen by the next block */
    total += size;
  }
  assert_int_equal(ig_arena_bytes(arena), total);
  assert_null(ig_arena_alloc(arena, SIZE_MAX - 10));
  ig_arena_destroy(arena);
}

static void errors_are_one_clean_line(void **state) {
  IG_UNUSED(state);
  assert_int_equal(ig_fail(IG_ERR_INPUT, "%s: bad\nname\x1b[1m", "a.h5"), IG_ERR_INPUT);
  assert_string_equal(ig_last_error(), "a.h5: bad?name?[1m");
  ig_fail_in(IG_ERR_INPUT, "node '%s'", "conv1");
  assert_string_equal(ig_last_error(), "node 'conv1': a.h5: bad?name?[1m");
  ig_fail(IG_ERR_INPUT, "again: %s", ig_last_error()); /* the old line is an argument */
  assert_string_equal(ig_last_error(), "again: node 'conv1': a.h5: bad?name?[1m");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_known_answers),
      cmocka_unit_test(streams_differ_and_moments_fit),
      cmocka_unit_test(normals_in_bulk_are_the_single_ones),
      cmocka_unit_test(permutations_visit_all_once),
      cmocka_unit_test(f16_all_values),
      cmocka_unit_test(f8_tables),
      cmocka_unit_test(bf16_rounds_to_even),
      cmocka_unit_test(conversions_saturate_and_wrap),
      cmocka_unit_test(shapes_broadcast),
      cmocka_unit_test(shapes_that_overflow_are_refused),
      cmocka_unit_test(arenas_align_and_count),
      cmocka_unit_test(errors_are_one_clean_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
