/* Nearest-rank percentiles against NumPy 2.4's: np.percentile(x, p, method="inverted_cdf"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>

#include "engine/eval/latency.h"

static void percentiles(void **state) {
  (void)state;
  double x[] = {35, 20, 15, 50, 40};
  ig_sort_times(x, 5);
  assert_true(x[0] == 15 && x[4] == 50);
  assert_true(ig_percentile(x, 5, 5) == 15);
  assert_true(ig_percentile(x, 5, 30) == 20);
  assert_true(ig_percentile(x, 5, 40) == 20);
  assert_true(ig_percentile(x, 5, 50) == 35);
  assert_true(ig_percentile(x, 5, 100) == 50);
  assert_true(ig_percentile(x, 1, 99) == 15);
  assert_true(isnan(ig_percentile(x, 0, 50)));
  double hundred[100];
  for (int i = 0; i < 100; i++) hundred[i] = i + 1;
  assert_true(ig_percentile(hundred, 100, 50) == 50);
  assert_true(ig_percentile(hundred, 100, 95) == 95);
  assert_true(ig_percentile(hundred, 100, 99) == 99);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(percentiles)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
