/* Numbers as text against the C library's strtod and printf, bit by bit and byte by byte: edges, and a million
 * at random. */
#include <inttypes.h>
#include <math.h>

#include "engine/base/rng.h"
#include "formats/number_text.h"
#include "scratch.h"

static void assert_reads(const char *text) {
  double value = 0, want = strtod(text, NULL);
  bool whole;
  size_t length = ig_number_read(text, strlen(text), &value, &whole);
  if (length == 0) return;
  if (length != strlen(text) || memcmp(&value, &want, sizeof want) != 0) {
    fail_msg("'%s': %.17g from %zu bytes, expected %.17g", text, value, length, want);
  }
}

static void reads_what_strtod_reads(void **state) {
  (void)state;
  static const char *const texts[] = {"0",     "-0",   "+1",       "1.",       ".5",      "-.25e3",
                                      "1e22",  "1e-22", "9007199254740992", "9007199254740993",
                                      "0.1",   "123456789012345678", "1e23", "4.35",  "00012.50",
                                      "1E+05", "99999999999999999999", "2.2250738585072014e-308"};
  for (int i = 0; i < (int)(sizeof texts / sizeof texts[0]); i++) assert_reads(texts[i]);
  double value;
  bool whole;
  assert_int_equal(ig_number_read("12", 2, &value, &whole), 2);
  assert_true(whole && value == 12);
  assert_int_equal(ig_number_read("12.0,7", 6, &value, &whole), 4);
  assert_true(!whole && value == 12);
  static const char *const none[] = {"", "-", ".", "e5", "1e", "1e+", "x", "+-1", "nan", "inf"};
  for (int i = 0; i < 10; i++) {
    assert_int_equal(ig_number_read(none[i], strlen(none[i]), &value, &whole), 0);
  }
  assert_int_equal(ig_number_read("0x10", 4, &value, &whole), 1); /* the 0 */
  assert_int_equal(ig_number_read("123456", 3, &value, &whole), 3);
  assert_true(value == 123);
}

static void reads_random_numbers(void **state) {
  (void)state;
  ig_rng rng = ig_rng_stream(5, IG_RNG_TEST, 0, 0);
  int taken = 0;
  for (uint64_t i = 0; i < 200000; i++) {
    static const char *const formats[] = {"%.6g", "%.9g", "%.15g", "%.3f", "%.7e", "%.0f"};
    char text[400];
    double value;
    bool whole;
    float normal;
    ig_rng_normals(&rng, 2 * i, 1, &normal);
    snprintf(text, sizeof text, formats[i % 6], (double)normal * pow(10, (double)(i % 23) - 11));
    assert_reads(text);
    taken += ig_number_read(text, strlen(text), &value, &whole) > 0;
  }
  assert_true(taken > 190000); /* the fast way is the usual one */
}

static void assert_writes(float value) {
  char got[IG_NUMBER_BYTES + 1], want[64];
  size_t n = ig_number_write_float(value, got);
  got[n] = '\0';
  snprintf(want, sizeof want, "%.9g", (double)value);
  if (strcmp(got, want) != 0) fail_msg("%a: '%s', expected '%s'", (double)value, got, want);
}

static void writes_what_printf_writes(void **state) {
  (void)state;
  static const float values[] = {0.0f,     -0.0f,   1.0f,    0.1f,      1e-4f,     9.99999e-5f, 1e9f,
                                 999999999.f, 1e10f, 3.4028235e38f, 1e-45f, 1.17549435e-38f, 0.5f,
                                 123456.79f, 16777216.f, 1e8f, 8388608.5f, -2.5e-7f};
  for (int i = 0; i < (int)(sizeof values / sizeof values[0]); i++) assert_writes(values[i]);
  assert_writes(INFINITY);
  assert_writes(-INFINITY);
  for (uint32_t i = 0, bits = 12345; i < 1000000; i++) {
    float value;
    bits = bits * 1664525u + 1013904223u;
    memcpy(&value, &bits, sizeof value);
    if (!isnan(value)) assert_writes(value);
  }
  for (int e = -37; e < 38; e++) assert_writes((float)pow(10, e));
}

static void writes_integers(void **state) {
  (void)state;
  static const int64_t values[] = {0, 7, -1, 10, 1234567890123, INT64_MAX, INT64_MIN};
  for (int i = 0; i < 7; i++) {
    char got[IG_NUMBER_BYTES + 1], want[64];
    got[ig_number_write_int(values[i], got)] = '\0';
    snprintf(want, sizeof want, "%" PRId64, values[i]);
    assert_string_equal(got, want);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_what_strtod_reads), cmocka_unit_test(reads_random_numbers),
      cmocka_unit_test(writes_what_printf_writes), cmocka_unit_test(writes_integers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
