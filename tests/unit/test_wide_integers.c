/* Elementwise functions of 64-bit integers, which the operator driver, whose numbers are doubles, cannot
 * see whole: nothing rounds, sums and products wrap, and u64 has no sign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/elementwise.h"

#define BIG UINT64_C(0x8000000000000001)
#define ODD INT64_C(9007199254740993) /* 2^53 + 1 */

static const ig_walk one = {.rank = 1, .dims = {1}};

static uint64_t natural(ig_binary kind, uint64_t a, uint64_t b) {
  uint64_t y = 0;
  ig_cpu_binary_reference(kind, IG_U64, IG_U64, &one, &a, &b, &y);
  return y;
}

static int64_t whole(ig_binary kind, int64_t a, int64_t b) {
  int64_t y = 0;
  ig_cpu_binary_reference(kind, IG_I64, IG_I64, &one, &a, &b, &y);
  return y;
}

static bool compared(ig_binary kind, ig_dtype dtype, const void *a, const void *b) {
  uint8_t y = 7;
  ig_cpu_binary_reference(kind, dtype, dtype, &one, a, b, &y);
  assert_true(y < 2);
  return y;
}

static void arithmetic(void **state) {
  IG_UNUSED(state);
  assert_true(natural(IG_BINARY_ADD, UINT64_MAX, 2) == 1);
  assert_true(natural(IG_BINARY_SUB, 1, 2) == UINT64_MAX);
  assert_true(natural(IG_BINARY_MUL, BIG, 2) == 2);
  assert_true(natural(IG_BINARY_DIV, UINT64_MAX, 2) == INT64_MAX);
  assert_true(natural(IG_BINARY_DIV, 5, BIG) == 0);
  assert_true(natural(IG_BINARY_DIV, 5, 0) == 0);
  assert_true(natural(IG_BINARY_MOD, UINT64_MAX, 10) == 5);
  assert_true(natural(IG_BINARY_FMOD, UINT64_MAX, 10) == 5);
  assert_true(natural(IG_BINARY_POW, 3, 41) == UINT64_C(18026252303461234787)); /* 3^41 mod 2^64 */
  assert_true(natural(IG_BINARY_SHIFT_RIGHT, BIG, 63) == 1);
  assert_true(natural(IG_BINARY_SHIFT_LEFT, BIG, 1) == 2);
  assert_true(natural(IG_BINARY_SHIFT_LEFT, BIG, 64) == 0);
  assert_true(whole(IG_BINARY_ADD, ODD, 0) == ODD);
  assert_true(whole(IG_BINARY_MUL, ODD, 3) == 3 * ODD);
  assert_true(whole(IG_BINARY_DIV, INT64_MIN, -1) == INT64_MIN);
  assert_true(whole(IG_BINARY_MOD, INT64_MIN, -1) == 0);
  assert_true(whole(IG_BINARY_MOD, -7, 3) == 2);
  assert_true(whole(IG_BINARY_MOD, 7, -3) == -2);
  assert_true(whole(IG_BINARY_FMOD, -7, 3) == -1);
  assert_true(whole(IG_BINARY_BITWISE_XOR, -1, ODD) == ~ODD);
}

static void comparisons(void **state) {
  IG_UNUSED(state);
  const uint64_t a = BIG, b = 3;
  assert_true(compared(IG_BINARY_GREATER, IG_U64, &a, &b));
  assert_false(compared(IG_BINARY_LESS, IG_U64, &a, &b));
  assert_true(compared(IG_BINARY_GREATER_OR_EQUAL, IG_U64, &a, &b));
  assert_false(compared(IG_BINARY_LESS_OR_EQUAL, IG_U64, &a, &b));
  const int64_t c = ODD, d = ODD - 1; /* one double */
  assert_false(compared(IG_BINARY_EQUAL, IG_I64, &c, &d));
  assert_true(compared(IG_BINARY_GREATER, IG_I64, &c, &d));
}

static void of_one(void **state) {
  IG_UNUSED(state);
  uint64_t x = BIG, y, low = 5, high = BIG - 1;
  ig_cpu_unary_reference(IG_UNARY_ABS, IG_U64, &x, &y, 1, 0, 0);
  assert_true(y == BIG);
  ig_cpu_unary_reference(IG_UNARY_SIGN, IG_U64, &x, &y, 1, 0, 0);
  assert_true(y == 1);
  ig_cpu_unary_reference(IG_UNARY_RELU, IG_U64, &x, &y, 1, 0, 0);
  assert_true(y == BIG);
  ig_cpu_unary_reference(IG_UNARY_BITWISE_NOT, IG_U64, &x, &y, 1, 0, 0);
  assert_true(y == INT64_MAX - 1);
  ig_cpu_clip_int(IG_U64, &x, &low, &high, &y, 1);
  assert_true(y == high);
  ig_cpu_clip_int(IG_U64, &x, &low, NULL, &y, 1);
  assert_true(y == BIG);
  int64_t odd = ODD, bound = ODD - 2, z;
  ig_cpu_clip_int(IG_I64, &odd, NULL, &bound, &z, 1);
  assert_true(z == bound);
  ig_cpu_clip_int(IG_I64, &odd, &bound, NULL, &z, 1);
  assert_true(z == ODD);
}

static void of_several(void **state) {
  IG_UNUSED(state);
  const uint64_t a = BIG, b = 3;
  const void *x[] = {&b, &a};
  const ig_walk walks[] = {one, one};
  uint64_t y;
  ig_cpu_fold(IG_FOLD_MAX, IG_U64, 2, walks, x, &y);
  assert_true(y == BIG);
  ig_cpu_fold(IG_FOLD_MIN, IG_U64, 2, walks, x, &y);
  assert_true(y == 3);
  ig_cpu_fold(IG_FOLD_SUM, IG_U64, 2, walks, x, &y);
  assert_true(y == BIG + 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arithmetic),
      cmocka_unit_test(comparisons),
      cmocka_unit_test(of_one),
      cmocka_unit_test(of_several),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
