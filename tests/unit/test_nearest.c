/* The nearest word: distances known from their definition, and what is offered for usual slips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/nearest.h"

static const char *const verbs[] = {"train", "eval", "infer", "inspect", "data", "export", NULL};

static void distances(void **state) {
  (void)state;
  assert_int_equal(ig_edit_distance("", ""), 0);
  assert_int_equal(ig_edit_distance("abc", ""), 3);
  assert_int_equal(ig_edit_distance("kitten", "sitting"), 3);
  assert_int_equal(ig_edit_distance("train", "tarin"), 1); /* one swap */
  assert_int_equal(ig_edit_distance("ca", "abc"), 3);      /* optimal alignment, not Damerau's 2 */
  assert_int_equal(ig_edit_distance("Train", "tRAIN"), 0);
}

static void symmetric(void **state) {
  (void)state;
  for (int i = 0; verbs[i]; i++) {
    for (int j = 0; verbs[j]; j++) {
      assert_int_equal(ig_edit_distance(verbs[i], verbs[j]), ig_edit_distance(verbs[j], verbs[i]));
    }
  }
}

static void offers(void **state) {
  (void)state;
  assert_string_equal(ig_nearest("trian", verbs), "train");
  assert_string_equal(ig_nearest("TRAIN", verbs), "train");
  assert_string_equal(ig_nearest("infr", verbs), "infer");
  assert_string_equal(ig_nearest("inspct", verbs), "inspect");
  assert_string_equal(ig_nearest("exp", verbs), "export"); /* a beginning */
  assert_string_equal(ig_nearest("dat", verbs), "data");
}

static void offers_nothing_far(void **state) {
  (void)state;
  assert_null(ig_nearest("banana", verbs));
  assert_null(ig_nearest("", verbs));
  assert_null(ig_nearest("x", verbs));
}

static void long_words(void **state) {
  (void)state;
  char a[5001], b[5001];
  memset(a, 'a', 5000);
  memset(b, 'b', 5000);
  a[5000] = b[5000] = '\0';
  assert_int_equal(ig_edit_distance(a, b), 63);
  const char *const list[] = {a, NULL};
  assert_null(ig_nearest(b, list));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(distances), cmocka_unit_test(symmetric),
                                     cmocka_unit_test(offers), cmocka_unit_test(offers_nothing_far),
                                     cmocka_unit_test(long_words)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
