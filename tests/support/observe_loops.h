/* Plain loops for tests of extremes and histograms, in float64, and the data that they are tested on. */
#ifndef IG_TESTS_OBSERVE_LOOPS_H
#define IG_TESTS_OBSERVE_LOOPS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/dtype.h"
#include "kernels/observe.h"

/* Multiples of 1/64 within [-16, 16), so that bins whose width is a power of two are exact in f32 and in
 * float64 alike; all fit bf16's 8 bits below 4 and f16 throughout, others are rounded. */
static inline void observe_fill(ig_dtype dtype, void *x, int64_t n) {
  uint32_t state = 12345;
  for (int64_t i = 0; i < n; i++) {
    state = state * 1664525u + 1013904223u;
    ig_store_f64(dtype, x, i, ((double)(state >> 21) - 1024) / 64);
  }
}

/* What most of a tensor is not: out of range, infinite, NaN, signed zeros. */
static inline void observe_spoil(ig_dtype dtype, void *x, int64_t n) {
  const double odd[] = {NAN, -0.0, 0.0, 1e4, -1e4, INFINITY, -INFINITY, NAN};
  for (int64_t i = 0; i < n; i += 37) ig_store_f64(dtype, x, i, odd[i / 37 % 8]);
}

static inline void observe_count(const ig_histogram *h, ig_dtype dtype, const void *x, int64_t n,
                                 int64_t *counts) {
  for (int64_t i = 0; i < n; i++) {
    double v = ig_load_f64(dtype, x, i);
    if (h->magnitude) v = fabs(v);
    double t = floor((v - (double)h->low) / ((double)h->high - (double)h->low) * (double)h->bins);
    int64_t bin = isnan(v) ? h->bins : t < 0 ? 0 : t >= (double)h->bins ? h->bins - 1 : (int64_t)t;
    counts[bin]++;
  }
}

/* NaN aside; infinities of the wrong sign when there is no number. */
static inline void observe_ends(ig_dtype dtype, const void *x, int64_t n, double *least,
                                double *most) {
  *least = INFINITY;
  *most = -INFINITY;
  for (int64_t i = 0; i < n; i++) {
    double v = ig_load_f64(dtype, x, i);
    if (v < *least) *least = v;
    if (v > *most) *most = v;
  }
}

#endif
