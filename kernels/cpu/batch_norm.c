/* Batch normalisation forward in f32. A segment's mean and centred squares are made in two passes
 * and combined with those before it (Chan, Golub, LeVeque 1983). */
#include "kernels/cpu/batch_norm_cut.h"

/* --- sums of a piece, added to sum[channel] ----------------------------------------------------- */

/* sum of (x - center)^2, or of x when there is no center. */
INLINE float term(float x, const float *center, int64_t l) {
  float d = center ? x - center[l] : x;
  return center ? d * d : d;
}

INLINE void lanes_sum(const float *x, int64_t rows, int64_t stride, int64_t lanes,
                      const float *center, double *sum) {
  float a[LANES] = {0}, b[LANES] = {0}, c[LANES] = {0}, d[LANES] = {0};
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float *p = x + r * stride;
#pragma omp simd
    for (int64_t l = 0; l < lanes; l++) {
      a[l] += term(p[l], center, l);
      b[l] += term(p[stride + l], center, l);
      c[l] += term(p[2 * stride + l], center, l);
      d[l] += term(p[3 * stride + l], center, l);
    }
  }
  for (; r < rows; r++) {
#pragma omp simd
    for (int64_t l = 0; l < lanes; l++) a[l] += term(x[r * stride + l], center, l);
  }
  for (int64_t l = 0; l < lanes; l++) sum[l] += (double)((a[l] + b[l]) + (c[l] + d[l]));
}

/* Adds the n elements of one plane to its sixteen sums, four vectors at a time where there are as
 * many: the sums are in memory, and their latency would show. */
INLINE void plane_sum(const float *x, int64_t n, const float *center, float sum[LANES],
                      float *rest) {
  int64_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
#pragma omp simd
    for (int l = 0; l < LANES; l++)
      sum[l] += (term(x[i + l], center, 0) + term(x[i + LANES + l], center, 0)) +
                (term(x[i + 2 * LANES + l], center, 0) + term(x[i + 3 * LANES + l], center, 0));
  }
  for (; i + LANES <= n; i += LANES) {
#pragma omp simd
    for (int l = 0; l < LANES; l++) sum[l] += term(x[i + l], center, 0);
  }
  for (; i < n; i++) *rest += term(x[i], center, 0);
}

INLINE void planes_sum(const ig_channels *at, const piece *p, int64_t channels, const float *x,
                       const float *center, double *sum) {
  float sums[MAX_WIDTH][LANES], rest[MAX_WIDTH];
  for (int64_t c = 0; c < channels; c++) {
    memset(sums[c], 0, sizeof sums[c]);
    rest[c] = 0;
  }
  for (int64_t n = 0; n < p->outer; n++) {
    for (int64_t c = 0; c < channels; c++)
      plane_sum(x + p->from + n * at->outer_stride + c * at->block_stride, p->rows,
                center ? center + c : NULL, sums[c], &rest[c]);
  }
  for (int64_t c = 0; c < channels; c++) sum[c] += total_of(sums[c], rest[c]);
}

static void piece_sum(const ig_channels *at, const piece *p, int64_t lanes, const float *x,
                      double *sum) {
  if (at->block == 1) {
    planes_sum(at, p, lanes, x, NULL, sum);
  } else if (lanes == LANES) {
    lanes_sum(x + p->from, p->rows, at->row_stride, LANES, NULL, sum);
  } else {
    lanes_sum(x + p->from, p->rows, at->row_stride, lanes, NULL, sum);
  }
}

static void piece_squares(const ig_channels *at, const piece *p, int64_t lanes, const float *x,
                          const float *center, double *sum) {
  if (at->block == 1) {
    planes_sum(at, p, lanes, x, center, sum);
  } else if (lanes == LANES) {
    lanes_sum(x + p->from, p->rows, at->row_stride, LANES, center, sum);
  } else {
    lanes_sum(x + p->from, p->rows, at->row_stride, lanes, center, sum);
  }
}

/* --- statistics --------------------------------------------------------------------------------- */

/* Elements a channel of one segment. */
static int64_t segment_count(const ig_channels *at, const cut *c, int64_t segment) {
  int64_t count = 0;
  FOR_PIECES(c, segment, i) {
    piece p = piece_at(at, c, 0, i);
    count += p.outer * p.rows;
  }
  return count;
}

static void segment_stats(const ig_channels *at, const cut *c, const float *x, int64_t unit,
                          int64_t segment, segment_sums *out) {
  int64_t lanes = lanes_in(at, c, unit);
  double count = (double)segment_count(at, c, segment);
  float center[MAX_WIDTH];
  memset(out, 0, sizeof *out);
  FOR_PIECES(c, segment, i) {
    piece p = piece_at(at, c, unit, i);
    piece_sum(at, &p, lanes, x, out->a);
  }
  for (int64_t l = 0; l < lanes; l++) {
    out->a[l] /= count;
    center[l] = (float)out->a[l];
  }
  FOR_PIECES(c, segment, i) {
    piece p = piece_at(at, c, unit, i);
    piece_squares(at, &p, lanes, x, center, out->b);
  }
}

/* Mean and variance of a unit's channels from its segments. */
static void combine_stats(const ig_channels *at, const cut *c, const segment_sums *sums,
                          int64_t unit, float *mean, float *variance) {
  double count = 0, center[MAX_WIDTH] = {0}, squares[MAX_WIDTH] = {0};
  int64_t channels = channels_in(at, c, unit), first = unit * c->width;
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

/* --- applying ----------------------------------------------------------------------------------- */

/* `floor` is 0 for ReLU, otherwise minus infinity; written so that NaN stays NaN. */
INLINE void apply_plane(const float *x, const float *residual, float mean, float gain, float bias,
                        float floor, int64_t n, float *y) {
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

INLINE void apply_lanes(const float *x, const float *residual, const unit_factors *f, float floor,
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

static void apply_piece(const ig_channels *at, const piece *p, int64_t lanes,
                        const ig_batch_norm_forward *t, const unit_factors *factors, float floor) {
  const unit_factors f = *factors;
  const float *residual = t->residual ? t->residual + p->from : NULL;
  if (at->block != 1 && lanes == LANES) {
    apply_lanes(t->x + p->from, residual, &f, floor, p->rows, at->row_stride, LANES,
                t->y + p->from);
  } else if (at->block != 1) {
    apply_lanes(t->x + p->from, residual, &f, floor, p->rows, at->row_stride, lanes,
                t->y + p->from);
  } else {
    for (int64_t n = 0; n < p->outer; n++) {
      for (int64_t c = 0; c < lanes; c++) {
        int64_t from = p->from + n * at->outer_stride + c * at->block_stride;
        apply_plane(t->x + from, t->residual ? t->residual + from : NULL, f.mean[c], f.gain[c],
                    f.bias[c], floor, p->rows, t->y + from);
      }
    }
  }
}

static void apply_segment(const ig_batch_norm *norm, const cut *c, const ig_batch_norm_forward *t,
                          const unit_factors *f, int64_t unit, int64_t segment) {
  float floor = norm->relu ? 0 : -INFINITY;
  FOR_PIECES(c, segment, i) {
    piece p = piece_at(&norm->at, c, unit, i);
    apply_piece(&norm->at, &p, lanes_in(&norm->at, c, unit), t, f, floor);
  }
}

size_t ig_cpu_batch_norm_workspace(const ig_batch_norm *norm) {
  cut c = cut_of(&norm->at);
  return (size_t)(c.units * c.segments) * sizeof(segment_sums);
}

void ig_cpu_batch_norm_f32(const ig_batch_norm *norm, const ig_batch_norm_forward *t,
                           void *workspace) {
  const ig_channels *at = &norm->at;
  cut c = cut_of(at);
  if (c.pieces == 0) return;
  bool team = batch_norm_team(at, 2), by_unit = spread_units(&c);
  IG_PARALLEL_FOR(team && by_unit)
  for (int64_t unit = 0; unit < c.units; unit++) {
    segment_sums *sums = (segment_sums *)workspace + unit * c.segments;
    unit_factors f;
    if (t->batch_stats) {
      IG_PARALLEL_FOR(team && !by_unit)
      for (int64_t s = 0; s < c.segments; s++) segment_stats(at, &c, t->x, unit, s, &sums[s]);
      combine_stats(at, &c, sums, unit, t->mean, t->variance);
    }
    if (!t->y) continue;
    factors_of(norm, &c, unit, t->mean, t->variance, t->scale, t->bias, &f);
    IG_PARALLEL_FOR(team && !by_unit)
    for (int64_t s = 0; s < c.segments; s++) apply_segment(norm, &c, t, &f, unit, s);
  }
}
