/* Pooling over volumes, [N, C, D, H, W], from its definition: one result at a time, in double, for every
 * dtype, row-major. Without a depth the same functions serve planes. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/parallel.h"
#include "kernels/pool.h"

/* The three axes of a pooling side by side. */
typedef struct axes {
  int64_t src[3], dst[3], kernel[3], stride[3], dilation[3], begin[3], end[3];
} axes;

static axes axes_of(const ig_pool *p) {
  axes a = {.src = {1}, .dst = {1}, .kernel = {1}, .stride = {1}, .dilation = {1}};
  const ig_depth *z = &p->depth;
  if (z->kernel) {
    a = (axes){{z->src}, {z->dst}, {z->kernel}, {z->stride}, {z->dilation}, {z->begin}, {z->end}};
  }
  for (int i = 0; i < 2; i++) {
    a.src[1 + i] = p->src[2 + i];
    a.dst[1 + i] = p->dst[2 + i];
    a.kernel[1 + i] = p->kernel[i];
    a.stride[1 + i] = p->stride[i];
    a.dilation[1 + i] = p->dilation[i];
    a.begin[1 + i] = p->begin[i];
    a.end[1 + i] = p->end[i];
  }
  return a;
}

static int64_t product(const int64_t v[3]) {
  return v[0] * v[1] * v[2];
}

static void split(const int64_t extent[3], int64_t i, int64_t out[3]) {
  out[0] = i / extent[2] / extent[1];
  out[1] = i / extent[2] % extent[1];
  out[2] = i % extent[2];
}

/* Position in its channel's volume of tap `k` of the window at `at`, or -1; `counts` tells whether it
 * lies within the source and its pads. */
static int64_t source(const axes *a, const int64_t at[3], int64_t k, bool *counts) {
  int64_t tap[3], place = 0;
  bool inside = true;
  *counts = true;
  split(a->kernel, k, tap);
  for (int i = 0; i < 3; i++) {
    int64_t s = at[i] * a->stride[i] + tap[i] * a->dilation[i] - a->begin[i];
    inside = inside && s >= 0 && s < a->src[i];
    *counts = *counts && s < a->src[i] + a->end[i];
    place = place * a->src[i] + s;
  }
  return inside ? place : -1;
}

/* The first maximum of a window: its value, its tap and its place. */
static double window_max(const ig_pool *p, const axes *a, const void *x, int64_t plane,
                         const int64_t at[3], int64_t *tap, int64_t *place) {
  double best = -INFINITY;
  bool first = true, counts;
  *tap = *place = 0;
  for (int64_t k = 0; k < product(a->kernel); k++) {
    int64_t from = source(a, at, k, &counts);
    if (from < 0) continue;
    double v = ig_load_f64(p->dtype, x, plane * product(a->src) + from);
    if (!first && !(v > best) && !isnan(v)) continue;
    best = v;
    *tap = k;
    *place = from;
    first = false;
  }
  return best;
}

void ig_cpu_max_pool_volume(const ig_pool *pool, const void *x, void *y, uint8_t *taps) {
  const axes a = axes_of(pool);
  int64_t area = product(a.dst);
  IG_PARALLEL_FOR(true)
  for (int64_t plane = 0; plane < pool->dst[0] * pool->dst[1]; plane++) {
    for (int64_t i = 0; i < area; i++) {
      int64_t at[3], tap, place;
      split(a.dst, i, at);
      ig_store_f64(pool->dtype, y, plane * area + i,
                   window_max(pool, &a, x, plane, at, &tap, &place));
      if (taps) taps[plane * area + i] = (uint8_t)tap;
    }
  }
}

void ig_cpu_max_pool_volume_indices(const ig_pool *pool, const void *x, bool column_major,
                                    int64_t *indices) {
  const axes a = axes_of(pool);
  int64_t area = product(a.dst);
  IG_PARALLEL_FOR(true)
  for (int64_t plane = 0; plane < pool->dst[0] * pool->dst[1]; plane++) {
    for (int64_t i = 0; i < area; i++) {
      int64_t at[3], tap, place, s[3];
      split(a.dst, i, at);
      window_max(pool, &a, x, plane, at, &tap, &place);
      split(a.src, place, s);
      if (column_major) place = (s[2] * a.src[1] + s[1]) * a.src[0] + s[0];
      indices[plane * area + i] = plane * product(a.src) + place;
    }
  }
}

/* The number of elements that a mean divides by. */
static double window_size(const ig_pool *p, const axes *a, const int64_t at[3]) {
  int64_t count = 0;
  for (int64_t k = 0; k < product(a->kernel); k++) {
    bool counts;
    int64_t from = source(a, at, k, &counts);
    count += p->count_pads ? counts : from >= 0;
  }
  return (double)count;
}

/* The sum of |x|^power over a window, or of x where power is 0. */
static double window_sum(const ig_pool *p, const axes *a, const void *x, int64_t plane,
                         const int64_t at[3], double power) {
  double sum = 0;
  bool counts;
  for (int64_t k = 0; k < product(a->kernel); k++) {
    int64_t from = source(a, at, k, &counts);
    if (from < 0) continue;
    double v = ig_load_f64(p->dtype, x, plane * product(a->src) + from);
    sum += power == 0 ? v : power == 1 ? fabs(v) : power == 2 ? v * v : pow(fabs(v), power);
  }
  return sum;
}

void ig_cpu_mean_pool_volume(const ig_pool *pool, const void *x, void *y) {
  const axes a = axes_of(pool);
  int64_t area = product(a.dst);
  IG_PARALLEL_FOR(true)
  for (int64_t plane = 0; plane < pool->dst[0] * pool->dst[1]; plane++) {
    for (int64_t i = 0; i < area; i++) {
      int64_t at[3];
      split(a.dst, i, at);
      double size = window_size(pool, &a, at), sum = window_sum(pool, &a, x, plane, at, 0);
      ig_store_f64(pool->dtype, y, plane * area + i, size > 0 ? sum / size : 0);
    }
  }
}

void ig_cpu_lp_pool(const ig_pool *pool, double p, const void *x, void *y) {
  const axes a = axes_of(pool);
  int64_t area = product(a.dst);
  IG_PARALLEL_FOR(true)
  for (int64_t plane = 0; plane < pool->dst[0] * pool->dst[1]; plane++) {
    for (int64_t i = 0; i < area; i++) {
      int64_t at[3];
      split(a.dst, i, at);
      double sum = window_sum(pool, &a, x, plane, at, p);
      ig_store_f64(pool->dtype, y, plane * area + i, p == 1 ? sum : p == 2 ? sqrt(sum) : pow(sum, 1 / p));
    }
  }
}

/* What every window that holds the element at `s` gives it. */
static double taken(const ig_pool *p, const axes *a, const void *dy, const uint8_t *taps,
                    int64_t plane, const int64_t s[3]) {
  double sum = 0;
  for (int64_t k = 0; k < product(a->kernel); k++) {
    int64_t tap[3], at[3];
    bool reached = true;
    split(a->kernel, k, tap);
    for (int i = 0; i < 3 && reached; i++) {
      int64_t scaled = s[i] + a->begin[i] - tap[i] * a->dilation[i];
      at[i] = scaled / a->stride[i];
      reached = scaled >= 0 && scaled % a->stride[i] == 0 && at[i] < a->dst[i];
    }
    if (!reached) continue;
    int64_t from = plane * product(a->dst) + (at[0] * a->dst[1] + at[1]) * a->dst[2] + at[2];
    double g = ig_load_f64(p->dtype, dy, from);
    if (!taps) sum += g / window_size(p, a, at);
    else if (taps[from] == k) sum += g;
  }
  return sum;
}

void ig_cpu_pool_volume_grad(const ig_pool *pool, const void *dy, const uint8_t *taps, void *dx) {
  const axes a = axes_of(pool);
  int64_t area = product(a.src);
  IG_PARALLEL_FOR(true)
  for (int64_t plane = 0; plane < pool->src[0] * pool->src[1]; plane++) {
    for (int64_t i = 0; i < area; i++) {
      int64_t s[3];
      split(a.src, i, s);
      ig_store_f64(pool->dtype, dx, plane * area + i, taken(pool, &a, dy, taps, plane, s));
    }
  }
}
