/* LpNormalization, LRN and MeanVarianceNormalization. LRN goes by tiles of positions, whose sums over a
 * window of channels are loops over neighbouring elements. */
#include "kernels/local_norm.h"

#include <math.h>

#include "kernels/cpu/parallel.h"

void ig_cpu_lp_normalization(ig_dtype dtype, bool squares, const ig_rows *r, const void *x,
                             void *y) {
  int64_t lines = r->outer * r->inner;
  IG_PARALLEL_FOR(lines > 1 && lines * r->n > IG_PARALLEL_FROM)
  for (int64_t line = 0; line < lines; line++) {
    int64_t first = line / r->inner * r->n * r->inner + line % r->inner;
    double norm = 0;
    for (int64_t i = 0; i < r->n; i++) {
      double v = ig_load_f64(dtype, x, first + i * r->inner);
      norm += squares ? v * v : fabs(v);
    }
    if (squares) norm = sqrt(norm);
    for (int64_t i = 0; i < r->n; i++) {
      int64_t at = first + i * r->inner;
      ig_store_f64(dtype, y, at, norm == 0 ? 0 : ig_load_f64(dtype, x, at) / norm);
    }
  }
}

/* --- LRN ------------------------------------------------------------------------------------- */

#define TILE 64

static void load_row(ig_dtype dtype, const void *x, int64_t at, int64_t n, double *row) {
  if (dtype == IG_F32) {
    for (int64_t k = 0; k < n; k++) row[k] = (double)((const float *)x)[at + k];
  } else {
    for (int64_t k = 0; k < n; k++) row[k] = ig_load_f64(dtype, x, at + k);
  }
}

/* A tile: positions [first, first + n) of one sample, by its element `base` of channel 0. */
typedef struct tile {
  ig_dtype dtype;
  const ig_lrn *lrn;
  const ig_rows *rows;
  const void *x, *dy;
  int64_t base, n;
} tile;

static int64_t window_begin(const ig_lrn *lrn, int64_t channel) {
  return channel > lrn->before ? channel - lrn->before : 0;
}

static int64_t window_end(const tile *t, int64_t channel) {
  int64_t last = t->rows->n - 1;
  return (t->lrn->after < last - channel ? channel + t->lrn->after : last) + 1;
}

/* bias + alpha / size * sum of squares about a channel. */
static void denominators(const tile *t, int64_t channel, double *d) {
  double row[TILE], scale = t->lrn->alpha / (double)t->lrn->size;
  for (int64_t k = 0; k < t->n; k++) d[k] = 0;
  for (int64_t c = window_begin(t->lrn, channel); c < window_end(t, channel); c++) {
    load_row(t->dtype, t->x, t->base + c * t->rows->inner, t->n, row);
    for (int64_t k = 0; k < t->n; k++) d[k] += row[k] * row[k];
  }
  for (int64_t k = 0; k < t->n; k++) d[k] = t->lrn->bias + scale * d[k];
}

static void forward_tile(const tile *t, void *y) {
  double d[TILE], row[TILE];
  for (int64_t c = 0; c < t->rows->n; c++) {
    int64_t at = t->base + c * t->rows->inner;
    denominators(t, c, d);
    load_row(t->dtype, t->x, at, t->n, row);
    for (int64_t k = 0; k < t->n; k++)
      ig_store_f64(t->dtype, y, at + k, row[k] * pow(d[k], -t->lrn->beta));
  }
}

/* Channel c's dx: of its own y, and of those whose window it is in. */
static void backward_channel(const tile *t, int64_t c, void *dx) {
  double sum[TILE] = {0}, own[TILE], d[TILE], x[TILE], dy[TILE];
  const ig_lrn *lrn = t->lrn;
  int64_t inner = t->rows->inner, last = t->rows->n - 1;
  int64_t first = c > lrn->after ? c - lrn->after : 0;
  int64_t end = (lrn->before < last - c ? c + lrn->before : last) + 1;
  for (int64_t other = first; other < end; other++) {
    int64_t at = t->base + other * inner;
    denominators(t, other, d);
    load_row(t->dtype, t->x, at, t->n, x);
    load_row(t->dtype, t->dy, at, t->n, dy);
    for (int64_t k = 0; k < t->n; k++) {
      double power = pow(d[k], -lrn->beta);
      if (other == c) own[k] = dy[k] * power;
      sum[k] += dy[k] * x[k] * power / d[k];
    }
  }
  double scale = 2 * lrn->alpha * lrn->beta / (double)lrn->size;
  load_row(t->dtype, t->x, t->base + c * inner, t->n, x);
  for (int64_t k = 0; k < t->n; k++)
    ig_store_f64(t->dtype, dx, t->base + c * inner + k, own[k] - scale * x[k] * sum[k]);
}

static void lrn_tiles(ig_dtype dtype, const ig_lrn *lrn, const ig_rows *r, const void *dy,
                      const void *x, void *out) {
  int64_t tiles = (r->inner + TILE - 1) / TILE;
  IG_PARALLEL_FOR(r->outer * r->n * r->inner > IG_PARALLEL_FROM / 8)
  for (int64_t unit = 0; unit < r->outer * tiles; unit++) {
    int64_t from = unit % tiles * TILE, left = r->inner - from;
    tile t = {
        dtype, lrn, r, x, dy, unit / tiles * r->n * r->inner + from, left < TILE ? left : TILE};
    if (!dy) forward_tile(&t, out);
    for (int64_t c = 0; c < r->n && dy; c++) backward_channel(&t, c, out);
  }
}

void ig_cpu_lrn(ig_dtype dtype, const ig_lrn *lrn, const ig_rows *rows, const void *x, void *y) {
  lrn_tiles(dtype, lrn, rows, NULL, x, y);
}

void ig_cpu_lrn_grad(ig_dtype dtype, const ig_lrn *lrn, const ig_rows *rows, const void *dy,
                     const void *x, void *dx) {
  lrn_tiles(dtype, lrn, rows, dy, x, dx);
}

/* --- MeanVarianceNormalization ---------------------------------------------------------------- */

/* Element of the index-th combination of the reduced (or kept) dimensions. */
static int64_t element_of(const ig_reduction *r, bool reduced, int64_t index) {
  int64_t offset = 0, stride = 1;
  for (int d = r->rank - 1; d >= 0; d--) {
    if (r->reduced[d] == reduced) {
      offset += index % r->dims[d] * stride;
      index /= r->dims[d];
    }
    stride *= r->dims[d];
  }
  return offset;
}

void ig_cpu_mean_variance(ig_dtype dtype, const ig_reduction *r, double epsilon, const void *x,
                          void *y) {
  int64_t kept = 1, each = 1;
  for (int d = 0; d < r->rank; d++) *(r->reduced[d] ? &each : &kept) *= r->dims[d];
  IG_PARALLEL_FOR(kept > 1 && kept * each > IG_PARALLEL_FROM)
  for (int64_t i = 0; i < kept; i++) {
    int64_t base = element_of(r, false, i);
    double mean = 0, variance = 0;
    for (int64_t k = 0; k < each; k++)
      mean += ig_load_f64(dtype, x, base + element_of(r, true, k)) / (double)each;
    for (int64_t k = 0; k < each; k++) {
      double off = ig_load_f64(dtype, x, base + element_of(r, true, k)) - mean;
      variance += off * off / (double)each;
    }
    for (int64_t k = 0; k < each; k++) {
      int64_t at = base + element_of(r, true, k);
      ig_store_f64(dtype, y, at, (ig_load_f64(dtype, x, at) - mean) / (sqrt(variance) + epsilon));
    }
  }
}
