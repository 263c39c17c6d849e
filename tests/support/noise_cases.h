/* Checks of random tensors: their moments within five standard errors, and that samples differ. */
#ifndef IG_TESTS_NOISE_CASES_H
#define IG_TESTS_NOISE_CASES_H

#include "case_tools.h"

/* `spread` is the standard deviation that the numbers should have, `fourth` their kurtosis. */
static inline const char *check_moments(const ig_case_array *out, double mean, double spread,
                                        double fourth) {
  int64_t n = count_of(out);
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; i++) {
    double d = out->data[i] - mean;
    sum += d;
    squares += d * d;
  }
  if (n < 100) return NULL;
  double error = spread / sqrt((double)n), variance = spread * spread;
  if (fabs(sum / (double)n) > 5 * error) return "the mean is off";
  if (fabs(squares / (double)n - variance) > 5 * variance * sqrt((fourth - 1) / (double)n))
    return "the variance is off";
  int64_t same = 0, half = n / 2;
  for (int64_t i = 0; i < half; i++) same += out->data[i] == out->data[half + i];
  return same * 20 > half ? "the halves are alike" : NULL;
}

#endif
