/* Percentiles of measured times, by nearest rank: a p99 is then a time that somebody waited. */
#include "engine/eval/latency.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void ig_sort_times(double *seconds, int64_t count) {
  qsort(seconds, (size_t)count, sizeof *seconds, ascending);
}

double ig_percentile(const double *sorted, int64_t count, double p) {
  if (count < 1) return NAN;
  int64_t rank = (int64_t)ceil(p / 100 * (double)count);
  return sorted[IG_MAX(1, IG_MIN(rank, count)) - 1];
}

double ig_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
