/* Batch normalisation in f32. The unit of work is a block of channels (1, or 16 side by side): its
 * statistics are made and applied by one thread, so that the second reading comes from a cache. A block
 * larger than that is cut into segments of pieces; a segment's mean and centred sum of squares are
 * made in two passes and combined with those before it (Chan, Golub, LeVeque 1983). */
#include "kernels/batch_norm.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/parts.h"
#include "kernels/cpu/sums.h"

#define LANES 16
/* Bytes of a segment: a quarter of the usual second cache level. */
#define SEGMENT_BYTES ((int64_t)1 << 18)
/* Elements of a piece, summed in f32. */
#define PIECE 4096

/* How the rows of a block of channels are cut. */
typedef struct cut {
  int64_t blocks;
  int64_t pieces, piece_rows, pieces_per_outer;
  int64_t segments;
} cut;

static cut cut_of(const ig_channels *at) {
  cut c = {.blocks = (at->channels + at->block - 1) / at->block, .piece_rows = PIECE / at->block};
  c.pieces_per_outer = (at->inner + c.piece_rows - 1) / c.piece_rows;
  c.pieces = at->outer * c.pieces_per_outer;
  int64_t bytes = at->outer * at->inner * at->block * (int64_t)sizeof(float);
  c.segments = ig_parts(bytes, SEGMENT_BYTES, c.pieces > 0 ? c.pieces : 1);
  return c;
}

/* A piece of a block: where it starts, and its rows. */
static int64_t piece_at(const ig_channels *at, const cut *c, int64_t block, int64_t piece,
                        int64_t *rows) {
  int64_t n = piece / c->pieces_per_outer, first = piece % c->pieces_per_outer * c->piece_rows;
  *rows = at->inner - first < c->piece_rows ? at->inner - first : c->piece_rows;
  return n * at->outer_stride + block * at->block_stride + first * at->row_stride;
}

/* Lanes of a block that hold channels, and lanes that exist in memory. */
static int64_t channels_in(const ig_channels *at, int64_t block) {
  int64_t left = at->channels - block * at->block;
  return left < at->block ? left : at->block;
}

static int64_t lanes_in(const ig_channels *at, int64_t block) {
  return at->padded ? at->block : channels_in(at, block);
}

/* What a segment's sums are: by lane, in f64. Forward: count, mean, centred squares; backward: sums of
 * dy and dy * (x - mean). */
typedef struct segment_sums {
  double a[LANES], b[LANES];
} segment_sums;

/* --- lanes side by side ------------------------------------------------------------------------- */

/* Inlined with the constant 16 for whole blocks, so that a row is one vector. */
#define INLINE static inline __attribute__((always_inline))

INLINE void lanes_sum(const float *x, int64_t rows, int64_t stride, int64_t lanes,
                      float sum[LANES]) {
  float a[LANES] = {0}, b[LANES] = {0}, c[LANES] = {0}, d[LANES] = {0};
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float *p = x + r * stride;
#pragma omp simd
    for (int64_t l = 0; l < lanes; l++) {
      a[l] += p[l];
      b[l] += p[stride + l];
      c[l] += p[2 * stride + l];
      d[l] += p[3 * stride + l];
    }
  }
  for (; r < rows; r++) {
    for (int64_t l = 0; l < lanes; l++) a[l] += x[r * stride + l];
  }
  for (int64_t l = 0; l < lanes; l++) sum[l] = (a[l] + b[l]) + (c[l] + d[l]);
}

INLINE void lanes_squares(const float *x, int64_t rows, int64_t stride, int64_t lanes,
                          const float *center, float sum[LANES]) {
  float a[LANES] = {0}, b[LANES] = {0}, c[LANES] = {0}, d[LANES] = {0};
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float *p = x + r * stride;
#pragma omp simd
    for (int64_t l = 0; l < lanes; l++) {
      float s = p[l] - center[l], t = p[stride + l] - center[l];
      float u = p[2 * stride + l] - center[l], v = p[3 * stride + l] - center[l];
      a[l] += s * s;
      b[l] += t * t;
      c[l] += u * u;
      d[l] += v * v;
    }
  }
  for (; r < rows; r++) {
    for (int64_t l = 0; l < lanes; l++) {
      float s = x[r * stride + l] - center[l];
      a[l] += s * s;
    }
  }
  for (int64_t l = 0; l < lanes; l++) sum[l] = (a[l] + b[l]) + (c[l] + d[l]);
}

/* --- statistics --------------------------------------------------------------------------------- */

static void piece_sum(const ig_channels *at, const float *x, int64_t rows, int64_t lanes,
                      float sum[LANES]) {
  if (at->block == 1) {
    sum[0] = ig_sum_f32(x, rows);
  } else if (lanes == LANES) {
    lanes_sum(x, rows, at->row_stride, LANES, sum);
  } else {
    lanes_sum(x, rows, at->row_stride, lanes, sum);
  }
}

static void piece_squares(const ig_channels *at, const float *x, int64_t rows, int64_t lanes,
                          const float *center, float sum[LANES]) {
  if (at->block == 1) {
    sum[0] = ig_sum_squares_f32(x, center[0], rows);
  } else if (lanes == LANES) {
    lanes_squares(x, rows, at->row_stride, LANES, center, sum);
  } else {
    lanes_squares(x, rows, at->row_stride, lanes, center, sum);
  }
}

/* Mean and centred sum of squares of one segment. */
static void segment_stats(const ig_channels *at, const cut *c, const float *x, int64_t block,
                          int64_t segment, segment_sums *out) {
  int64_t first = ig_part_begin(c->pieces, c->segments, segment);
  int64_t last = ig_part_begin(c->pieces, c->segments, segment + 1);
  int64_t lanes = lanes_in(at, block), count = 0, rows;
  float sum[LANES], center[LANES];
  double total[LANES] = {0};
  memset(out, 0, sizeof *out);
  for (int64_t p = first; p < last; p++) {
    const float *piece = x + piece_at(at, c, block, p, &rows);
    piece_sum(at, piece, rows, lanes, sum);
    for (int64_t l = 0; l < lanes; l++) total[l] += (double)sum[l];
    count += rows;
  }
  for (int64_t l = 0; l < lanes; l++) {
    out->a[l] = total[l] / (double)count;
    center[l] = (float)out->a[l];
  }
  for (int64_t p = first; p < last; p++) {
    const float *piece = x + piece_at(at, c, block, p, &rows);
    piece_squares(at, piece, rows, lanes, center, sum);
    for (int64_t l = 0; l < lanes; l++) out->b[l] += (double)sum[l];
  }
}

/* Elements a channel of one segment. */
static int64_t segment_count(const ig_channels *at, const cut *c, int64_t segment) {
  int64_t first = ig_part_begin(c->pieces, c->segments, segment), count = 0, rows;
  for (int64_t p = first; p < ig_part_begin(c->pieces, c->segments, segment + 1); p++) {
    piece_at(at, c, 0, p, &rows);
    count += rows;
  }
  return count;
}

/* Mean and variance of a block's channels from its segments. */
static void combine_stats(const ig_channels *at, const cut *c, const segment_sums *sums,
                          int64_t block, float *mean, float *variance) {
  double count = 0, center[LANES] = {0}, squares[LANES] = {0};
  int64_t channels = channels_in(at, block), first = block * at->block;
  for (int64_t s = 0; s < c->segments; s++) {
    double n = (double)segment_count(at, c, s), total = count + n;
    for (int64_t l = 0; l < channels; l++) {
      double delta = sums[s].a[l] - center[l];
      center[l] += delta * n / total;
      squares[l] += sums[s].b[l] + delta * delta * count * n / total;
    }
    count = total;
  }
  for (int64_t l = 0; l < channels; l++) {
    mean[first + l] = (float)center[l];
    variance[first + l] = (float)(squares[l] / count);
  }
}

/* --- forward ------------------------------------------------------------------------------------ */

/* Factors of a block's lanes; zero in padding lanes, which so stay zero. */
typedef struct lane_factors {
  float mean[LANES], gain[LANES], bias[LANES];
} lane_factors;

static lane_factors factors_of(const ig_batch_norm *norm, int64_t block, const float *mean,
                               const float *variance, const float *scale, const float *bias) {
  lane_factors f;
  memset(&f, 0, sizeof f);
  for (int64_t l = 0; l < channels_in(&norm->at, block); l++) {
    int64_t c = block * norm->at.block + l;
    f.mean[l] = mean[c];
    f.gain[l] = (float)((double)scale[c] / sqrt((double)variance[c] + norm->epsilon));
    f.bias[l] = bias ? bias[c] : 0;
  }
  return f;
}

/* `floor` is 0 for ReLU, otherwise minus infinity; written so that NaN stays NaN. */
static void apply_run(const float *x, const float *residual, const lane_factors *f, float floor,
                      int64_t n, float *y) {
  float mean = f->mean[0], gain = f->gain[0], bias = f->bias[0];
  if (residual) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      float v = (x[i] - mean) * gain + bias + residual[i];
      y[i] = v < floor ? floor : v;
    }
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      float v = (x[i] - mean) * gain + bias;
      y[i] = v < floor ? floor : v;
    }
  }
}

INLINE void apply_lanes(const float *x, const float *residual, const lane_factors *f, float floor,
                        int64_t rows, int64_t stride, int64_t lanes, float *y) {
  for (int64_t r = 0; r < rows; r++) {
    const float *p = x + r * stride;
    if (residual) {
#pragma omp simd
      for (int64_t l = 0; l < lanes; l++) {
        float v = (p[l] - f->mean[l]) * f->gain[l] + f->bias[l] + residual[r * stride + l];
        y[r * stride + l] = v < floor ? floor : v;
      }
    } else {
#pragma omp simd
      for (int64_t l = 0; l < lanes; l++) {
        float v = (p[l] - f->mean[l]) * f->gain[l] + f->bias[l];
        y[r * stride + l] = v < floor ? floor : v;
      }
    }
  }
}

static void apply_segment(const ig_batch_norm *norm, const cut *c, const ig_batch_norm_forward *t,
                          const lane_factors *factors, int64_t block, int64_t segment) {
  const ig_channels *at = &norm->at;
  const lane_factors f = *factors;
  float floor = norm->relu ? 0 : -INFINITY;
  int64_t lanes = lanes_in(at, block), rows;
  int64_t last = ig_part_begin(c->pieces, c->segments, segment + 1);
  for (int64_t p = ig_part_begin(c->pieces, c->segments, segment); p < last; p++) {
    int64_t from = piece_at(at, c, block, p, &rows);
    const float *residual = t->residual ? t->residual + from : NULL;
    if (at->block == 1) {
      apply_run(t->x + from, residual, &f, floor, rows, t->y + from);
    } else if (lanes == LANES) {
      apply_lanes(t->x + from, residual, &f, floor, rows, at->row_stride, LANES, t->y + from);
    } else {
      apply_lanes(t->x + from, residual, &f, floor, rows, at->row_stride, lanes, t->y + from);
    }
  }
}

size_t ig_cpu_batch_norm_workspace(const ig_batch_norm *norm) {
  cut c = cut_of(&norm->at);
  return (size_t)(c.blocks * c.segments) * sizeof(segment_sums);
}

/* Whether whole blocks are spread over threads (their second reading then comes from a cache), or the
 * segments within each block. It decides who works, not what is computed. */
static bool spread_blocks(const cut *c) {
  int64_t threads = ig_threads();
  return c->segments == 1 || c->blocks >= 4 * threads || c->blocks % threads == 0;
}

static bool worth_team(const ig_channels *at, int64_t operands) {
  return ig_worth_team(at->outer * at->channels * at->inner * operands * (int64_t)sizeof(float));
}

void ig_cpu_batch_norm_f32(const ig_batch_norm *norm, const ig_batch_norm_forward *t,
                           void *workspace) {
  const ig_channels *at = &norm->at;
  cut c = cut_of(at);
  if (c.pieces == 0) return;
  bool team = worth_team(at, 2), by_block = spread_blocks(&c);
#pragma omp parallel for schedule(static) if (team && by_block)
  for (int64_t block = 0; block < c.blocks; block++) {
    segment_sums *sums = (segment_sums *)workspace + block * c.segments;
    if (t->batch_stats) {
#pragma omp parallel for schedule(static) if (team && !by_block)
      for (int64_t s = 0; s < c.segments; s++) segment_stats(at, &c, t->x, block, s, &sums[s]);
      combine_stats(at, &c, sums, block, t->mean, t->variance);
    }
    lane_factors f = factors_of(norm, block, t->mean, t->variance, t->scale, t->bias);
#pragma omp parallel for schedule(static) if (team && !by_block)
    for (int64_t s = 0; s < c.segments; s++) apply_segment(norm, &c, t, &f, block, s);
  }
}

/* --- backward ----------------------------------------------------------------------------------- */

/* What decides where ReLU let the gradient through. */
typedef enum mask_kind { MASK_NONE, MASK_X, MASK_Y } mask_kind;

static mask_kind mask_of(const ig_batch_norm *norm, const ig_batch_norm_backward *t) {
  return !norm->relu ? MASK_NONE : t->y ? MASK_Y : MASK_X;
}

/* dy where the mask lets it through. */
INLINE float masked(mask_kind mask, float dy, float x, const float *y, int64_t i, float mean,
                    float gain, float bias) {
  if (mask == MASK_X) return (x - mean) * gain + bias > 0 ? dy : 0;
  if (mask == MASK_Y) return y[i] > 0 ? dy : 0;
  return dy;
}

INLINE void grad_sums_run(mask_kind mask, const float *dy, const float *x, const float *y,
                          const lane_factors *f, int64_t n, float *sum, float *product) {
  float mean = f->mean[0], gain = f->gain[0], bias = f->bias[0];
  int64_t h = n / 32 * 16;
  float a = 0, b = 0, c = 0, d = 0;
#pragma omp simd reduction(+ : a, b, c, d)
  for (int64_t i = 0; i < h; i++) {
    float u = masked(mask, dy[i], x[i], y, i, mean, gain, bias);
    float v = masked(mask, dy[h + i], x[h + i], y, h + i, mean, gain, bias);
    a += u;
    b += u * (x[i] - mean);
    c += v;
    d += v * (x[h + i] - mean);
  }
#pragma omp simd reduction(+ : a, b)
  for (int64_t i = 2 * h; i < n; i++) {
    float u = masked(mask, dy[i], x[i], y, i, mean, gain, bias);
    a += u;
    b += u * (x[i] - mean);
  }
  *sum = a + c;
  *product = b + d;
}

INLINE void grad_sums_lanes(mask_kind mask, const float *dy, const float *x, const float *y,
                            const lane_factors *f, int64_t rows, int64_t stride, int64_t lanes,
                            float sum[LANES], float product[LANES]) {
  float a[LANES] = {0}, b[LANES] = {0}, c[LANES] = {0}, d[LANES] = {0};
  int64_t r = 0;
  for (; r + 2 <= rows; r += 2) {
    int64_t i = r * stride, j = i + stride;
#pragma omp simd
    for (int64_t l = 0; l < lanes; l++) {
      float u = masked(mask, dy[i + l], x[i + l], y, i + l, f->mean[l], f->gain[l], f->bias[l]);
      float v = masked(mask, dy[j + l], x[j + l], y, j + l, f->mean[l], f->gain[l], f->bias[l]);
      a[l] += u;
      b[l] += u * (x[i + l] - f->mean[l]);
      c[l] += v;
      d[l] += v * (x[j + l] - f->mean[l]);
    }
  }
  for (; r < rows; r++) {
    int64_t i = r * stride;
    for (int64_t l = 0; l < lanes; l++) {
      float u = masked(mask, dy[i + l], x[i + l], y, i + l, f->mean[l], f->gain[l], f->bias[l]);
      a[l] += u;
      b[l] += u * (x[i + l] - f->mean[l]);
    }
  }
  for (int64_t l = 0; l < lanes; l++) {
    sum[l] = a[l] + c[l];
    product[l] = b[l] + d[l];
  }
}

/* Expands CALL(mask) with the mask as a constant, so that each gets a loop without branches. */
#define BY_MASK(mask, CALL)                                                                        \
  switch (mask) {                                                                                  \
  case MASK_NONE: CALL(MASK_NONE); break;                                                          \
  case MASK_X: CALL(MASK_X); break;                                                                \
  default: CALL(MASK_Y);                                                                           \
  }

static void segment_grad_sums(const ig_batch_norm *norm, const cut *c,
                              const ig_batch_norm_backward *t, const lane_factors *factors,
                              int64_t block, int64_t segment, segment_sums *out) {
  const ig_channels *at = &norm->at;
  const lane_factors f = *factors;
  mask_kind mask = mask_of(norm, t);
  int64_t lanes = lanes_in(at, block), rows, stride = at->row_stride;
  int64_t last = ig_part_begin(c->pieces, c->segments, segment + 1);
  memset(out, 0, sizeof *out);
  for (int64_t p = ig_part_begin(c->pieces, c->segments, segment); p < last; p++) {
    int64_t from = piece_at(at, c, block, p, &rows);
    const float *dy = t->dy + from, *x = t->x + from, *y = t->y ? t->y + from : NULL;
    float sum[LANES], product[LANES];
#define RUN(m) grad_sums_run(m, dy, x, y, &f, rows, sum, product)
#define WHOLE(m) grad_sums_lanes(m, dy, x, y, &f, rows, stride, LANES, sum, product)
    if (at->block == 1) {
      BY_MASK(mask, RUN)
    } else if (lanes == LANES) {
      BY_MASK(mask, WHOLE)
    } else {
      grad_sums_lanes(mask, dy, x, y, &f, rows, stride, lanes, sum, product);
    }
    for (int64_t l = 0; l < lanes; l++) {
      out->a[l] += (double)sum[l];
      out->b[l] += (double)product[l];
    }
  }
}

/* dx = gain * dy + slope * (x - mean) + shift, by lane. */
typedef struct grad_factors {
  float slope[LANES], shift[LANES];
} grad_factors;

static grad_factors combine_grad(const ig_batch_norm *norm, const cut *c,
                                 const ig_batch_norm_backward *t, const lane_factors *f,
                                 const segment_sums *sums, int64_t block) {
  const ig_channels *at = &norm->at;
  double count = (double)(at->outer * at->inner);
  grad_factors g;
  memset(&g, 0, sizeof g);
  for (int64_t l = 0; l < channels_in(at, block); l++) {
    int64_t channel = block * at->block + l;
    double sum = 0, product = 0;
    for (int64_t s = 0; s < c->segments; s++) {
      sum += sums[s].a[l];
      product += sums[s].b[l];
    }
    double inv_variance = 1 / ((double)t->variance[channel] + norm->epsilon);
    t->dscale[channel] = (float)(product * sqrt(inv_variance));
    t->dbias[channel] = (float)sum;
    if (!t->batch_stats) continue;
    g.slope[l] = (float)(-(double)f->gain[l] * inv_variance * product / count);
    g.shift[l] = (float)(-(double)f->gain[l] * sum / count);
  }
  return g;
}

INLINE void grad_run(mask_kind mask, const float *dy, const float *x, const float *y,
                     const lane_factors *f, const grad_factors *g, int64_t n, float *dx,
                     float *dresidual) {
  float mean = f->mean[0], gain = f->gain[0], bias = f->bias[0];
  float slope = g->slope[0], shift = g->shift[0];
  if (dresidual) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      float u = masked(mask, dy[i], x[i], y, i, mean, gain, bias);
      dx[i] = gain * u + slope * (x[i] - mean) + shift;
      dresidual[i] = u;
    }
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      float u = masked(mask, dy[i], x[i], y, i, mean, gain, bias);
      dx[i] = gain * u + slope * (x[i] - mean) + shift;
    }
  }
}

INLINE void grad_lanes(mask_kind mask, const float *dy, const float *x, const float *y,
                       const lane_factors *f, const grad_factors *g, int64_t rows, int64_t stride,
                       int64_t lanes, float *dx, float *dresidual) {
  for (int64_t r = 0; r < rows; r++) {
    int64_t i = r * stride;
    float u[LANES];
#pragma omp simd
    for (int64_t l = 0; l < lanes; l++) {
      u[l] = masked(mask, dy[i + l], x[i + l], y, i + l, f->mean[l], f->gain[l], f->bias[l]);
      dx[i + l] = f->gain[l] * u[l] + g->slope[l] * (x[i + l] - f->mean[l]) + g->shift[l];
    }
    if (dresidual) {
      for (int64_t l = 0; l < lanes; l++) dresidual[i + l] = u[l];
    }
  }
}

static void grad_segment(const ig_batch_norm *norm, const cut *c, const ig_batch_norm_backward *t,
                         const lane_factors *factors, const grad_factors *grads, int64_t block,
                         int64_t segment) {
  const ig_channels *at = &norm->at;
  const lane_factors f = *factors;
  const grad_factors g = *grads;
  mask_kind mask = mask_of(norm, t);
  int64_t lanes = lanes_in(at, block), rows, stride = at->row_stride;
  int64_t last = ig_part_begin(c->pieces, c->segments, segment + 1);
  for (int64_t p = ig_part_begin(c->pieces, c->segments, segment); p < last; p++) {
    int64_t from = piece_at(at, c, block, p, &rows);
    const float *dy = t->dy + from, *x = t->x + from, *y = t->y ? t->y + from : NULL;
    float *dx = t->dx + from, *rest = t->dresidual ? t->dresidual + from : NULL;
#define GRAD_RUN(m) grad_run(m, dy, x, y, &f, &g, rows, dx, rest)
#define GRAD_WHOLE(m) grad_lanes(m, dy, x, y, &f, &g, rows, stride, LANES, dx, rest)
    if (at->block == 1) {
      BY_MASK(mask, GRAD_RUN)
    } else if (lanes == LANES) {
      BY_MASK(mask, GRAD_WHOLE)
    } else {
      grad_lanes(mask, dy, x, y, &f, &g, rows, stride, lanes, dx, rest);
    }
  }
}

void ig_cpu_batch_norm_grad_f32(const ig_batch_norm *norm, const ig_batch_norm_backward *t,
                                void *workspace) {
  const ig_channels *at = &norm->at;
  cut c = cut_of(at);
  if (c.pieces == 0) {
    memset(t->dscale, 0, (size_t)at->channels * sizeof *t->dscale);
    memset(t->dbias, 0, (size_t)at->channels * sizeof *t->dbias);
    return;
  }
  bool team = worth_team(at, 3), by_block = spread_blocks(&c);
#pragma omp parallel for schedule(static) if (team && by_block)
  for (int64_t block = 0; block < c.blocks; block++) {
    segment_sums *sums = (segment_sums *)workspace + block * c.segments;
    lane_factors f = factors_of(norm, block, t->mean, t->variance, t->scale, t->bias);
#pragma omp parallel for schedule(static) if (team && !by_block)
    for (int64_t s = 0; s < c.segments; s++) segment_grad_sums(norm, &c, t, &f, block, s, &sums[s]);
    grad_factors g = combine_grad(norm, &c, t, &f, sums, block);
#pragma omp parallel for schedule(static) if (team && !by_block)
    for (int64_t s = 0; s < c.segments; s++) grad_segment(norm, &c, t, &f, &g, block, s);
  }
}
