/* The accountant: the bound of federate_privacy.h minimised over the order. In t = log(a - 1) the bound
 * falls and then rises, so that a golden-section search finds the least value. */
#include "dist/federate_privacy.h"

#include <math.h>

double ig_privacy_spent(double multiplier) {
  return 0.5 / (multiplier * multiplier);
}

static double bound(double t, double rho, double delta) {
  double less = exp(t), a = less + 1;
  return a * rho + (t - log(a)) - (log(delta) + log(a)) / less;
}

double ig_privacy_epsilon(double rho, double delta) {
  if (!isfinite(rho)) return INFINITY;
  if (rho <= 0) return 0;
  const double golden = 0.6180339887498949;
  double low = -12, high = 40;
  double left = high - golden * (high - low), right = low + golden * (high - low);
  double at_left = bound(left, rho, delta), at_right = bound(right, rho, delta);
  while (high - low > 1e-7) {
    if (at_left < at_right) {
      high = right;
      right = left;
      at_right = at_left;
      left = high - golden * (high - low);
      at_left = bound(left, rho, delta);
    } else {
      low = left;
      left = right;
      at_left = at_right;
      right = low + golden * (high - low);
      at_right = bound(right, rho, delta);
    }
  }
  return IG_MAX(0, IG_MIN(at_left, at_right));
}
