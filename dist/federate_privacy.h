/* What Gaussian noise on sums of clipped updates amounts to. A round whose sum has noise of deviation
 * z times the clipping norm is a Gaussian mechanism of sensitivity 1 and deviation z towards replacing
 * one client's update by none; its Renyi divergence of order a is a / (2 z^2) (Mironov, "Renyi
 * Differential Privacy", CSF 2017, Proposition 7), and rounds add up (Proposition 1). So one number, the
 * sum of 1 / (2 z^2), is all there is to keep. */
#ifndef IG_DIST_FEDERATE_PRIVACY_H
#define IG_DIST_FEDERATE_PRIVACY_H

#include "engine/base/memory.h"

/* Of one round with noise multiplier z > 0. */
double ig_privacy_spent(double multiplier);
/* The epsilon at `delta` (in 0 to 1, both excluded) after rounds that spent `rho` together: the least,
 * over all orders a > 1, of a rho + log((a - 1) / a) - (log delta + log a) / (a - 1) (Balle, Barthe,
 * Gaboardi, Hsu, Sato, "Hypothesis Testing Interpretations and Renyi Differential Privacy", AISTATS
 * 2020, Theorem 21). At least 0; infinite when rho is. */
double ig_privacy_epsilon(double rho, double delta);

#endif
