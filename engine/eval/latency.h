/* Percentiles of measured times. */
#ifndef IG_EVAL_LATENCY_H
#define IG_EVAL_LATENCY_H

#include "engine/base/status.h"

/* Sorts `seconds` in place, for ig_percentile. */
void ig_sort_times(double *seconds, int64_t count);
/* The p-th percentile (0 < p <= 100) of `count` sorted times by nearest rank: the smallest measured
 * time that at least p percent of the times do not exceed; always a time that occurred, never an
 * interpolation. NaN without times. */
double ig_percentile(const double *sorted, int64_t count, double p);
/* Seconds of a clock that never goes back. */
double ig_now(void);

#endif
