/* Pooling of 8-bit codes. With channels last a pixel's channels are a run of bytes, over which every step
 * of a window is one vector loop; sums are whole numbers and so exact. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/parallel.h"
#include "kernels/quantized.h"

#define RUN 256 /* channels at a time */

/* Taps of one axis that lie inside the source, and how many count. */
typedef struct taps {
  int64_t from, to, origin, counted;
} taps;

static taps taps_of(const ig_pool *p, int axis, int64_t at) {
  int64_t d = p->dilation[axis], extent = p->src[2 + axis];
  int64_t origin = at * p->stride[axis] - p->begin[axis];
  taps t = {.origin = origin, .from = origin < 0 ? (d - 1 - origin) / d : 0};
  t.to = IG_MIN(origin < extent ? (extent - origin + d - 1) / d : 0, p->kernel[axis]);
  int64_t room = extent + p->end[axis] - origin;
  t.counted = p->count_pads ? IG_MIN(p->kernel[axis], (room + d - 1) / d) : t.to - t.from;
  return t;
}

/* The code's place before rounding is sum factor + offset. */
typedef struct scaling {
  double factor, offset;
} scaling;

/* Pads count as zeros, which are x.zero as codes; without any taps the mean is 0. */
static scaling scaling_of(const ig_codes *x, const ig_codes *y, const taps *h, const taps *w) {
  double inside = (double)(IG_MAX(h->to - h->from, 0) * IG_MAX(w->to - w->from, 0));
  double counted = (double)(h->counted * w->counted);
  if (counted <= 0 || inside <= 0) return (scaling){0, 0};
  double scale = (double)x->scale / ((double)y->scale * counted);
  return (scaling){scale, -scale * inside * x->zero};
}

static void store(const ig_codes *y, const scaling *s, const int32_t *sums, int64_t n, void *out) {
  const float factor = (float)s->factor, offset = (float)s->offset;
  const int32_t least = y->dtype == IG_I8 ? -128 : 0, zero = y->zero;
  const float low = (float)(least - zero), high = (float)(least + 255 - zero);
  float v[RUN];
  for (int64_t c = 0; c < n; c++) v[c] = (float)sums[c] * factor + offset;
  if (y->dtype == IG_F32) {
    memcpy(out, v, (size_t)n * sizeof *v);
    return;
  }
  uint8_t *codes = out;
#pragma omp simd
  for (int64_t c = 0; c < n; c++) {
    float bounded = v[c] > low ? v[c] : low;
    bounded = bounded < high ? bounded : high;
    codes[c] = (uint8_t)((int32_t)((bounded + 0x1.8p23f) - 0x1.8p23f) + zero);
  }
}

static void add_run(bool is_signed, const uint8_t *x, int64_t n, int32_t *sums) {
  if (is_signed) {
    const int8_t *s = (const int8_t *)x;
#pragma omp simd
    for (int64_t c = 0; c < n; c++) sums[c] += s[c];
  } else {
#pragma omp simd
    for (int64_t c = 0; c < n; c++) sums[c] += x[c];
  }
}

/* One run of channels of one pixel. */
static void mean_run(const ig_pool *p, const ig_codes *x, const ig_codes *y, int64_t pixel,
                     int64_t first, const uint8_t *src, char *dst) {
  int64_t area = p->dst[2] * p->dst[3], channels = p->src[1], n = IG_MIN(RUN, channels - first);
  taps h = taps_of(p, 0, pixel % area / p->dst[3]), w = taps_of(p, 1, pixel % p->dst[3]);
  const uint8_t *plane = src + pixel / area * p->src[2] * p->src[3] * channels + first;
  int32_t sums[RUN] = {0};
  for (int64_t i = h.from; i < h.to; i++) {
    int64_t line = (h.origin + i * p->dilation[0]) * p->src[3];
    for (int64_t j = w.from; j < w.to; j++) {
      add_run(x->dtype == IG_I8, plane + (line + w.origin + j * p->dilation[1]) * channels, n,
              sums);
    }
  }
  scaling s = scaling_of(x, y, &h, &w);
  store(y, &s, sums, n, dst + (pixel * channels + first) * (int64_t)ig_dtype_size(y->dtype));
}

void ig_cpu_quantized_mean_pool(const ig_pool *pool, const ig_codes *x, const ig_codes *y,
                                const void *x_codes, void *y_codes) {
  const ig_pool *p = pool;
  int64_t runs = (p->src[1] + RUN - 1) / RUN, pixels = p->dst[0] * p->dst[2] * p->dst[3];
  IG_PARALLEL_FOR(ig_worth_team(ig_layout_count(IG_LAYOUT_ROWS, p->src)))
  for (int64_t task = 0; task < pixels * runs; task++) {
    mean_run(p, x, y, task / runs, task % runs * RUN, x_codes, y_codes);
  }
}

void ig_cpu_quantized_mean_pool_reference(const ig_pool *pool, const ig_codes *x,
                                          const ig_codes *y, const void *x_codes, void *y_codes) {
  const ig_pool *p = pool;
  const int64_t *d = p->dst;
  IG_PARALLEL_FOR(ig_worth_team(ig_layout_count(IG_LAYOUT_ROWS, p->src)))
  for (int64_t i = 0; i < d[0] * d[1] * d[2] * d[3]; i++) {
    int64_t n = i / (d[1] * d[2] * d[3]), c = i / (d[2] * d[3]) % d[1];
    int64_t row = i / d[3] % d[2], column = i % d[3];
    taps h = taps_of(p, 0, row), w = taps_of(p, 1, column);
    double sum = 0;
    for (int64_t j = h.from; j < h.to; j++) {
      for (int64_t k = w.from; k < w.to; k++) {
        int64_t from = ig_layout_offset(p->layout, p->src, n, c, h.origin + j * p->dilation[0],
                                        w.origin + k * p->dilation[1]);
        sum += ig_load_f64(x->dtype, x_codes, from);
      }
    }
    scaling s = scaling_of(x, y, &h, &w);
    double value = sum * s.factor + s.offset;
    int64_t to = ig_layout_offset(p->layout, d, n, c, row, column);
    if (y->dtype == IG_F32)
      ((float *)y_codes)[to] = (float)value;
    else
      ig_store_f64(y->dtype, y_codes, to, nearbyint(value) + y->zero);
  }
}

/* --- maxima ----------------------------------------------------------------------------------- */

static void max_run(bool is_signed, const uint8_t *x, int64_t n, uint8_t *best) {
  if (is_signed) {
    const int8_t *s = (const int8_t *)x;
    int8_t *b = (int8_t *)best;
#pragma omp simd
    for (int64_t c = 0; c < n; c++) b[c] = s[c] > b[c] ? s[c] : b[c];
  } else {
#pragma omp simd
    for (int64_t c = 0; c < n; c++) best[c] = x[c] > best[c] ? x[c] : best[c];
  }
}

static void max_pixel(const ig_pool *p, int64_t pixel, const uint8_t *src, uint8_t *best) {
  int64_t area = p->dst[2] * p->dst[3], channels = p->src[1];
  bool is_signed = p->dtype == IG_I8;
  taps h = taps_of(p, 0, pixel % area / p->dst[3]), w = taps_of(p, 1, pixel % p->dst[3]);
  const uint8_t *plane = src + pixel / area * p->src[2] * p->src[3] * channels;
  memset(best, is_signed ? 0x80 : 0, (size_t)channels);
  for (int64_t i = h.from; i < h.to; i++) {
    int64_t line = (h.origin + i * p->dilation[0]) * p->src[3];
    for (int64_t j = w.from; j < w.to; j++) {
      max_run(is_signed, plane + (line + w.origin + j * p->dilation[1]) * channels, channels,
              best);
    }
  }
}

void ig_cpu_max_pool_bytes(const ig_pool *pool, const void *x, void *y) {
  const ig_pool *p = pool;
  int64_t pixels = p->dst[0] * p->dst[2] * p->dst[3];
  IG_PARALLEL_FOR(ig_worth_team(ig_layout_count(IG_LAYOUT_ROWS, p->src)))
  for (int64_t pixel = 0; pixel < pixels; pixel++) {
    max_pixel(p, pixel, x, (uint8_t *)y + pixel * p->src[1]);
  }
}
