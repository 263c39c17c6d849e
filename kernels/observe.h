/* What a tensor's numbers look like, for choosing quantization ranges and for watching training:
 * extremes and histograms. Both stream: a result that starts as zero bytes means that nothing was
 * seen, and each call adds what it sees; the order of calls and of threads changes nothing. Any float
 * type is read as f32. */
#ifndef IG_KERNELS_OBSERVE_H
#define IG_KERNELS_OBSERVE_H

#include <math.h>
#include <string.h>

#include "engine/base/dtype.h"
#include "engine/base/status.h"

/* Numbers as keys that are ordered as they are (-0 is 0), and above 0 all: the greatest number seen,
 * and the greatest negated number. NaN is passed over. */
typedef struct ig_extremes {
  uint32_t most, most_negated;
} ig_extremes;

static inline uint32_t ig_order_key(float x) {
  uint32_t bits;
  x += 0.0f;
  memcpy(&bits, &x, sizeof bits);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* The number of a key; minus infinity for 0. */
static inline float ig_order_value(uint32_t key) {
  uint32_t bits = key >> 31 ? key & 0x7fffffffu : ~key;
  float x;
  if (key == 0) return -INFINITY;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Plus and minus infinity where nothing was seen. */
static inline float ig_least_seen(const ig_extremes *seen) {
  return -ig_order_value(seen->most_negated);
}
static inline float ig_most_seen(const ig_extremes *seen) {
  return ig_order_value(seen->most);
}
/* The greatest |x|; 0 where nothing was seen. */
static inline float ig_abs_most_seen(const ig_extremes *seen) {
  uint32_t key = seen->most > seen->most_negated ? seen->most : seen->most_negated;
  return key ? ig_order_value(key) : 0.0f;
}

/* Equal bins over [low, high). */
typedef struct ig_histogram {
  float low, high;
  int64_t bins;   /* at most IG_MAX_BINS */
  bool magnitude; /* of |x| */
} ig_histogram;

#define IG_MAX_BINS 8192

/* Bins in one unit; fails, saying why, unless there is such a histogram. */
ig_status ig_histogram_check(const ig_histogram *shape, float *bins_per_unit);

void ig_cpu_extremes(ig_dtype dtype, const void *x, int64_t count, ig_extremes *seen);
/* counts[min(max(floor((x - low) bins_per_unit), 0), bins - 1)]++ in f32 arithmetic, so that the ends
 * take what lies outside; counts[bins] is how many were NaN. Fails when memory is short. */
ig_status ig_cpu_histogram(const ig_histogram *shape, ig_dtype dtype, const void *x, int64_t count,
                           int64_t *counts);

/* --- observers ---------------------------------------------------------------------------------- */

/* An observer is IG_OBSERVER_WORDS numbers of i64, 64 KiB whatever it sees; all zero means that nothing
 * was seen. Its bins have bounds that are the same for all tensors, so that the bins of two observers add
 * up to those of one that saw both: by sign, octave and the first six bits of the fraction (a bin is
 * between 1/64 and 1/128 of its numbers wide), in ascending order of the numbers. The middle bin takes
 * all below 2^-28 in magnitude, the first and the last take what lies beyond 2^20. */
#define IG_OBSERVER_FRACTION 6
#define IG_OBSERVER_LOWEST (-28) /* exponent of the first octave */
#define IG_OBSERVER_OCTAVES 48
#define IG_OBSERVER_SIDE (IG_OBSERVER_OCTAVES << IG_OBSERVER_FRACTION) /* bins of one sign */
#define IG_OBSERVER_BINS (2 * IG_OBSERVER_SIDE + 1)
enum {
  IG_OBSERVER_NANS = IG_OBSERVER_BINS, /* counts */
  IG_OBSERVER_INFINITIES,              /* in no bin, and among the extremes */
  IG_OBSERVER_MOST,                    /* as ig_extremes, of all calls */
  IG_OBSERVER_MOST_NEGATED,
  IG_OBSERVER_CALLS, /* in which a number was seen */
  IG_OBSERVER_RECENT /* extremes of the last calls: call c at c % IG_OBSERVER_KEPT, as most << 32 |
                        most_negated */
};
#define IG_OBSERVER_WORDS 8192
#define IG_OBSERVER_KEPT (IG_OBSERVER_WORDS - IG_OBSERVER_RECENT)

/* The least magnitude in bin IG_OBSERVER_SIDE + side (side >= 1) and, negated, in its mirror image; of
 * side IG_OBSERVER_SIDE + 1, where the last octave ends. */
static inline double ig_observer_edge(int side) {
  int step = 1 << IG_OBSERVER_FRACTION;
  return ldexp(1 + (double)((side - 1) % step) / step, IG_OBSERVER_LOWEST + (side - 1) / step);
}

/* What an observer is shown: `count` elements of memory. With `tail`, they are an activation in blocks of
 * sixteen channels (IG_LAYOUT_BLOCK16) of which the last of `blocks` holds only `tail` channels, each of
 * `area` pixels; the padding is passed over. */
typedef struct ig_observed {
  ig_dtype dtype;
  int64_t count;
  int64_t area, blocks;
  int tail;
} ig_observed;

#define IG_OBSERVER_PARTS 16
#define IG_OBSERVER_WORKSPACE (IG_OBSERVER_PARTS * 2 * (IG_OBSERVER_INFINITIES + 1) * sizeof(uint32_t))
/* One call: the state takes in all of x. `workspace` is IG_OBSERVER_WORKSPACE bytes of scratch. */
void ig_cpu_observe(const ig_observed *what, const void *x, int64_t *state, void *workspace);

/* --- on a CUDA device: f32, bf16 and f16 --------------------------------------------------------- */

ig_status ig_cuda_extremes(ig_dtype dtype, const void *x, int64_t count, ig_extremes *seen,
                           void *stream);
ig_status ig_cuda_histogram(const ig_histogram *shape, ig_dtype dtype, const void *x, int64_t count,
                            int64_t *counts, void *stream);

/* The state `from`, which may be `state` itself, takes in all of x, of which every number counts.
 * `workspace` is sizeof(ig_extremes) bytes. */
ig_status ig_cuda_observe(ig_dtype dtype, const void *x, int64_t count, const int64_t *from,
                          int64_t *state, void *workspace, void *stream);

#endif
