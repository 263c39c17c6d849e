/* The statistics of statistics.h. */
#include "lifecycle/statistics.h"

#include <math.h>

/* --- Kolmogorov-Smirnov ---------------------------------------------------------------------- */

double ig_ks_statistic(int64_t n, const double *x, int64_t m, const double *y) {
  double most = 0;
  for (int64_t i = 0, j = 0; i < n && j < m;) {
    double at = fmin(x[i], y[j]);
    while (i < n && x[i] <= at) i++; /* equal values step together */
    while (j < m && y[j] <= at) j++;
    most = fmax(most, fabs((double)i / (double)n - (double)j / (double)m));
  }
  return most;
}

/* Of all orders of n + m values, each is a path from (0, 0) to (n, m); the distance stays below
 * `statistic` on those that keep inside a band around the diagonal. scratch[j] is the share of the
 * paths to (i, j) that did: a path's last step came from the left with probability i / (i + j), else
 * from below, so shares follow from their neighbours and never overflow as counts would. */
double ig_ks_p_value(double statistic, int64_t n, int64_t m, double *scratch) {
  double a = (double)n, b = (double)m;
  /* Distances are multiples of 1 / (n m): compare whole numbers, safe from rounding. */
  double limit = floor(statistic * a * b + 0.5);
  for (int64_t i = 0; i <= n; i++) {
    for (int64_t j = 0; j <= m; j++) {
      double share = 1;
      if (i + j > 0) {
        double left = i > 0 ? scratch[j] : 0, below = j > 0 ? scratch[j - 1] : 0;
        share = (left * (double)i + below * (double)j) / (double)(i + j);
      }
      bool outside = fabs((double)i * b - (double)j * a) >= limit;
      scratch[j] = outside && statistic > 0 ? 0 : share;
    }
  }
  return statistic > 0 ? fmin(fmax(1 - scratch[m], 0), 1) : 1;
}

/* --- chi-square ------------------------------------------------------------------------------ */

static double total_of(int n, const double *counts) {
  double total = 0;
  for (int i = 0; i < n; i++) total += counts[i];
  return total;
}

double ig_chi_square(int n, const double *p, const double *q, int *freedom) {
  double total_p = total_of(n, p), total_q = total_of(n, q), sum = 0;
  *freedom = -1;
  if (!(total_p > 0) || !(total_q > 0)) return NAN;
  for (int i = 0; i < n; i++) {
    double both = p[i] + q[i];
    if (both == 0) continue;
    double expected_p = both * total_p / (total_p + total_q), expected_q = both - expected_p;
    double difference = p[i] - expected_p; /* the other row's is its negative */
    sum += difference * difference * (1 / expected_p + 1 / expected_q);
    (*freedom)++;
  }
  return sum;
}

/* The regularised upper incomplete gamma function Q(a, x) (Abramowitz and Stegun, 6.5.29 for the
 * series of P, 6.5.31 for the continued fraction of Q, evaluated by Lentz's method). */
static double gamma_q(double a, double x) {
  double front = exp(a * log(x) - x - lgamma(a));
  if (x < a + 1) {
    double term = 1 / a, sum = term;
    for (int k = 1; k < 10000 && term > sum * 1e-17; k++) {
      term *= x / (a + k);
      sum += term;
    }
    return 1 - front * sum;
  }
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (int k = 1; k < 10000; k++) {
    double an = -k * (k - a);
    b += 2;
    d = an * d + b;
    if (fabs(d) < 1e-300) d = 1e-300;
    c = b + an / c;
    if (fabs(c) < 1e-300) c = 1e-300;
    d = 1 / d;
    h *= d * c;
    if (fabs(d * c - 1) < 1e-16) break;
  }
  return front * h;
}

double ig_chi_square_p_value(double x, double freedom) {
  if (!(freedom > 0) || !(x > 0)) return 1;
  if (isinf(x)) return 0;
  return gamma_q(freedom / 2, x / 2);
}

/* --- distances ------------------------------------------------------------------------------- */

double ig_wasserstein(int64_t n, const double *x, int64_t m, const double *y) {
  double area = 0, last = fmin(x[0], y[0]);
  for (int64_t i = 0, j = 0; i < n || j < m;) {
    double at = i == n ? y[j] : j == m ? x[i] : fmin(x[i], y[j]);
    area += fabs((double)i / (double)n - (double)j / (double)m) * (at - last);
    last = at;
    while (i < n && x[i] <= at) i++;
    while (j < m && y[j] <= at) j++;
  }
  return area;
}

double ig_jensen_shannon(int n, const double *p, const double *q) {
  double total_p = total_of(n, p), total_q = total_of(n, q), sum = 0;
  if (!(total_p > 0) || !(total_q > 0)) return NAN;
  for (int i = 0; i < n; i++) {
    double a = p[i] / total_p, b = q[i] / total_q, middle = (a + b) / 2;
    if (a > 0) sum += a * log(a / middle);
    if (b > 0) sum += b * log(b / middle);
  }
  return sqrt(fmax(sum, 0) / 2);
}

double ig_stability_index(int n, const double *p, const double *q) {
  double total_p = total_of(n, p), total_q = total_of(n, q), sum = 0;
  if (!(total_p > 0) || !(total_q > 0)) return NAN;
  for (int i = 0; i < n; i++) {
    if (p[i] == 0 && q[i] == 0) continue;
    double a = fmax(p[i], 0.5) / total_p, b = fmax(q[i], 0.5) / total_q;
    sum += (a - b) * log(a / b);
  }
  return sum;
}
