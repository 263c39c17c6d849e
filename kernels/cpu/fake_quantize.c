/* Quantization as training sees it, and its gradient. The tensor is cut into bands: rows of one channel, or,
 * where channels are innermost, blocks of rows over all channels; each band's sums go to a place of their own
 * and are added in the order of bands. */
#include "kernels/fake_quantize.h"

#include <math.h>
#include <stdbool.h>

#include "kernels/cpu/parallel.h"

#define PIECE 4096    /* elements of a row at a time */
#define BLOCK_ROWS 64 /* of a band over all channels */

/* Adding and taking away 1.5 2^23 rounds half to even. */
static inline float to_whole(float v) {
  return (v + 0x1.8p23f) - 0x1.8p23f;
}

static inline float size_of(float scale) {
  float s = fabsf(scale);
  return s > IG_FAKE_LEAST_SCALE ? s : IG_FAKE_LEAST_SCALE;
}

static inline float clamped(float v, float low, float high) {
  v = v < low ? low : v; /* in this order NaN stays */
  return v > high ? high : v;
}

static bool is_last(const ig_fake_quantize *q) {
  return q->inner == 1 && q->channels > 1;
}

static int64_t pieces_of(const ig_fake_quantize *q) {
  return (q->inner + PIECE - 1) / PIECE;
}

/* Bands that each hold sums of one channel, or with channels last of all. */
static int64_t bands_of(const ig_fake_quantize *q) {
  return is_last(q) ? (q->outer + BLOCK_ROWS - 1) / BLOCK_ROWS : q->outer * pieces_of(q);
}

static bool worth_team(const ig_fake_quantize *q) {
  return ig_worth_team(q->outer * q->channels * q->inner * (int64_t)sizeof(float));
}

static void quantize_row(const ig_fake_quantize *q, const float *x, float scale, float *y,
                         int64_t n) {
  const float s = size_of(scale), low = q->low, high = q->high;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = s * to_whole(clamped(x[i] / s, low, high));
}

void ig_cpu_fake_quantize(const ig_fake_quantize *q, const float *x, const float *scale, float *y) {
  if (is_last(q)) {
    IG_PARALLEL_FOR(worth_team(q))
    for (int64_t row = 0; row < q->outer; row++) {
      const float *from = x + row * q->channels;
      float *to = y + row * q->channels;
#pragma omp simd
      for (int64_t c = 0; c < q->channels; c++) {
        float s = size_of(scale[c]);
        to[c] = s * to_whole(clamped(from[c] / s, q->low, q->high));
      }
    }
    return;
  }
  const int64_t pieces = pieces_of(q);
  IG_PARALLEL_FOR(worth_team(q))
  for (int64_t task = 0; task < q->outer * q->channels * pieces; task++) {
    int64_t row = task / pieces, begin = task % pieces * PIECE;
    int64_t at = row * q->inner + begin;
    quantize_row(q, x + at, scale[row % q->channels], y + at, IG_MIN(PIECE, q->inner - begin));
  }
}

/* --- gradient --------------------------------------------------------------------------------- */

/* One element: what dy is multiplied by for the scale. */
static inline float slope(float v, float low, float high) {
  float inside = to_whole(v) - v;
  return v < low ? low : v > high ? high : inside;
}

static double row_grad(const ig_fake_quantize *q, const float *dy, const float *x, float scale,
                       float *dx, int64_t n) {
  const float s = size_of(scale), low = q->low, high = q->high;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += dy[i] * slope(x[i] / s, low, high);
  if (!dx) return (double)sum;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    float v = x[i] / s;
    dx[i] = v < low || v > high ? 0.0f : dy[i];
  }
  return (double)sum;
}

/* sums[c] over the rows of one block. */
static void block_grad(const ig_fake_quantize *q, const float *dy, const float *x,
                       const float *scale, float *dx, double *sums, int64_t rows) {
  const int64_t n = q->channels;
  const float low = q->low, high = q->high;
  for (int64_t c = 0; c < n; c++) sums[c] = 0;
  for (int64_t row = 0; row < rows; row++) {
    const float *g = dy + row * n, *from = x + row * n;
#pragma omp simd
    for (int64_t c = 0; c < n; c++) {
      sums[c] += (double)(g[c] * slope(from[c] / size_of(scale[c]), low, high));
    }
    if (!dx) continue;
    float *to = dx + row * n;
#pragma omp simd
    for (int64_t c = 0; c < n; c++) {
      float v = from[c] / size_of(scale[c]);
      to[c] = v < low || v > high ? 0.0f : g[c];
    }
  }
}

size_t ig_cpu_fake_quantize_grad_workspace(const ig_fake_quantize *q) {
  return (size_t)(bands_of(q) * q->channels) * sizeof(double);
}

static void add_bands(const ig_fake_quantize *q, const double *sums, const float *scale,
                      float *dscale) {
  for (int64_t c = 0; c < q->channels; c++) {
    double sum = 0;
    for (int64_t band = 0; band < bands_of(q); band++) sum += sums[band * q->channels + c];
    dscale[c] = (float)(sum * (double)q->grad_scale) * (scale[c] < 0 ? -1.0f : 1.0f);
  }
}

void ig_cpu_fake_quantize_grad(const ig_fake_quantize *q, const float *dy, const float *x,
                               const float *scale, float *dx, float *dscale, void *workspace) {
  double *sums = workspace;
  const int64_t pieces = pieces_of(q), rows = q->outer * q->channels;
  if (is_last(q)) {
    IG_PARALLEL_FOR(worth_team(q))
    for (int64_t band = 0; band < bands_of(q); band++) {
      int64_t first = band * BLOCK_ROWS, at = first * q->channels;
      block_grad(q, dy + at, x + at, scale, dx ? dx + at : NULL, sums + band * q->channels,
                 IG_MIN(BLOCK_ROWS, q->outer - first));
    }
  } else {
    IG_PARALLEL_FOR(worth_team(q))
    for (int64_t task = 0; task < rows * pieces; task++) {
      int64_t row = task / pieces, piece = task % pieces, c = row % q->channels;
      int64_t at = row * q->inner + piece * PIECE;
      double *sum = sums + (row / q->channels * pieces + piece) * q->channels + c;
      *sum = row_grad(q, dy + at, x + at, scale[c], dx ? dx + at : NULL,
                      IG_MIN(PIECE, q->inner - piece * PIECE));
    }
  }
  if (dscale) add_bands(q, sums, scale, dscale);
}
