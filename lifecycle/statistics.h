/* Two-sample statistics for drift, on plain arrays. Definitions are SciPy's, against whose values the
 * tests hold them. */
#ifndef IG_LIFECYCLE_STATISTICS_H
#define IG_LIFECYCLE_STATISTICS_H

#include "engine/base/status.h"

/* Kolmogorov-Smirnov: the largest distance between the empirical distributions of two ascending
 * samples (n, m at least 1; ties are allowed). */
double ig_ks_statistic(int64_t n, const double *x, int64_t m, const double *y);
/* The probability of a distance of at least `statistic` for samples of one distribution, exact by
 * counting lattice paths (Hodges 1957); n * m steps. `scratch` has room for m + 1 numbers. */
double ig_ks_p_value(double statistic, int64_t n, int64_t m, double *scratch);
/* Pearson's test of homogeneity of two histograms (a contingency table of two rows): the statistic, and
 * its degrees of freedom in *freedom. Parts that are empty in both do not count. NaN when either
 * histogram is empty. */
double ig_chi_square(int n, const double *p, const double *q, int *freedom);
/* The probability that a chi-square variable of `freedom` degrees exceeds `x`. */
double ig_chi_square_p_value(double x, double freedom);
/* First Wasserstein distance of two ascending samples: the area between their distributions. */
double ig_wasserstein(int64_t n, const double *x, int64_t m, const double *y);
/* Jensen-Shannon distance of two histograms (natural logarithm; the root of the divergence), which are
 * normalised here. NaN when either is empty. */
double ig_jensen_shannon(int n, const double *p, const double *q);
/* Population stability index of two histograms (Siddiqi, "Credit Risk Scorecards", 2006): sum of
 * (p - q) ln(p / q), an empty part counted as half a value. NaN when either is empty. */
double ig_stability_index(int n, const double *p, const double *q);

#endif
