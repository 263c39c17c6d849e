/* The definitions of the row and channel normalisations in float64, for their cases. */
#ifndef IG_TESTS_NORM_CASES_H
#define IG_TESTS_NORM_CASES_H

#include "case_tools.h"

/* Mean of n numbers, and of the squares of their distances from `center`. */
static inline double mean_of(const double *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i];
  return sum / (double)n;
}

static inline double spread_of(const double *x, double center, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (x[i] - center) * (x[i] - center);
  return sum / (double)n;
}

/* out[i] = (x[i] - mean) * invstd * scale[i] + bias[i]; NULL bias is none. */
static inline void normalize(const double *x, double mean, double invstd, const double *scale,
                             const double *bias, int64_t n, double *out) {
  for (int64_t i = 0; i < n; i++)
    out[i] = (x[i] - mean) * invstd * scale[i] + (bias ? bias[i] : 0);
}

/* The gradient with respect to x of sum(g * h), where h = (x - mean(x)) / std(x) over the n numbers
 * (without the mean when not centred): the Jacobian dh_j/dx_i = invstd * ((i == j) - 1/n - h_i h_j
 * / n), summed out in full. Works for a stride. */
static inline void normalized_grad(const double *g, const double *x, double mean, double invstd,
                                   bool center, int64_t n, int64_t stride, double *dx) {
  for (int64_t i = 0; i < n; i++) {
    double sum = 0, hi = (x[i * stride] - mean) * invstd;
    for (int64_t j = 0; j < n; j++) {
      double hj = (x[j * stride] - mean) * invstd;
      double jacobian = (i == j) - (center ? 1.0 / (double)n : 0) - hi * hj / (double)n;
      sum += g[j * stride] * invstd * jacobian;
    }
    dx[i * stride] = sum;
  }
}

#endif
