/* Has newer data drifted from a reference? Column by column: every number that can be had, and a
 * verdict by the test that fits. With up to IG_DRIFT_SMALL values on the smaller side, a test of
 * significance (Kolmogorov-Smirnov for numbers, chi-square for classes and histograms) at 0.05; beyond,
 * where any difference is significant, a distance at 0.1 (Wasserstein over the reference's standard
 * deviation for numbers, Jensen-Shannon for classes and histograms). */
#ifndef IG_LIFECYCLE_DRIFT_H
#define IG_LIFECYCLE_DRIFT_H

#include "lifecycle/profile.h"

#define IG_DRIFT_SMALL 1000
#define IG_DRIFT_SIGNIFICANCE 0.05
#define IG_DRIFT_DISTANCE 0.1

typedef struct ig_drift {
  const char *name;
  const char *test; /* "ks", "chi-square", "wasserstein", "jensen-shannon"; NULL: no comparison */
  double value;     /* a probability for ks and chi-square, else a distance */
  double threshold;
  bool drifted; /* probability below, or distance above the threshold */
  /* Each NaN where it does not apply. */
  double ks, ks_p;     /* needs both columns' values */
  double wasserstein;  /* over the reference's standard deviation; needs both columns' values */
  double chi_square_p; /* needs counts over the same parts, as the next two */
  double jensen_shannon;
  double stability; /* population stability index */
} ig_drift;

/* Compares two columns; the newer one was profiled with the reference's edges. A reference from a
 * checkpoint has no values, only counts: set its profile alone. */
ig_status ig_drift_of_column(const ig_column *reference, const ig_column *now, ig_drift *out);

/* Every column of `now` that the reference has as well, by name; in `arena`. */
ig_status ig_drift_of_columns(int n_reference, const ig_column *reference, int n_now,
                              const ig_column *now, ig_arena *arena, int *count, ig_drift **out);
/* The share of columns with a comparison that drifted; a data set has drifted from 0.5 on. NaN when
 * none was compared. */
#define IG_DRIFT_SHARE 0.5
double ig_drift_share(int count, const ig_drift *drifts);

#endif
