/* Batch normalisation backward in f32: one pass for the sums, one for dx. With ReLU, where the gradient
 * passes is found again from x (with the arithmetic of the forward direction) or from y. */
#include "kernels/cpu/batch_norm_cut.h"

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

/* Expands CALL(mask) with the mask as a constant, so that each gets a loop without branches. */
#define BY_MASK(mask, CALL)                                                                        \
  switch (mask) {                                                                                  \
  case MASK_NONE: CALL(MASK_NONE); break;                                                          \
  case MASK_X: CALL(MASK_X); break;                                                                \
  default: CALL(MASK_Y);                                                                           \
  }

/* --- sums --------------------------------------------------------------------------------------- */

INLINE void sum_lanes(mask_kind mask, const float *dy, const float *x, const float *y,
                      const unit_factors *f, int64_t rows, int64_t stride, int64_t lanes,
                      segment_sums *out) {
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
#pragma omp simd
    for (int64_t l = 0; l < lanes; l++) {
      float u = masked(mask, dy[i + l], x[i + l], y, i + l, f->mean[l], f->gain[l], f->bias[l]);
      a[l] += u;
      b[l] += u * (x[i + l] - f->mean[l]);
    }
  }
  for (int64_t l = 0; l < lanes; l++) {
    out->a[l] += (double)(a[l] + c[l]);
    out->b[l] += (double)(b[l] + d[l]);
  }
}

/* Sums of one plane: sixteen of dy and of dy * (x - mean), and what did not fill a vector. */
typedef struct plane_sums {
  float a[LANES], b[LANES], rest_a, rest_b;
} plane_sums;

INLINE void sum_plane(mask_kind mask, const float *dy, const float *x, const float *y, float mean,
                      float gain, float bias, int64_t n, plane_sums *sums) {
  float a[LANES], b[LANES];
  int64_t i = 0;
  for (int l = 0; l < LANES; l++) {
    a[l] = sums->a[l];
    b[l] = sums->b[l];
  }
  for (; i + LANES <= n; i += LANES) {
#pragma omp simd
    for (int l = 0; l < LANES; l++) {
      float u = masked(mask, dy[i + l], x[i + l], y, i + l, mean, gain, bias);
      a[l] += u;
      b[l] += u * (x[i + l] - mean);
    }
  }
  for (; i < n; i++) {
    float u = masked(mask, dy[i], x[i], y, i, mean, gain, bias);
    sums->rest_a += u;
    sums->rest_b += u * (x[i] - mean);
  }
  for (int l = 0; l < LANES; l++) {
    sums->a[l] = a[l];
    sums->b[l] = b[l];
  }
}

INLINE void sum_planes(mask_kind mask, const ig_channels *at, const piece *p, int64_t channels,
                       const ig_batch_norm_backward *t, const unit_factors *f, segment_sums *out) {
  plane_sums sums[MAX_WIDTH];
  for (int64_t c = 0; c < channels; c++) memset(&sums[c], 0, sizeof sums[c]);
  for (int64_t n = 0; n < p->outer; n++) {
    for (int64_t c = 0; c < channels; c++) {
      int64_t from = p->from + n * at->outer_stride + c * at->block_stride;
      sum_plane(mask, t->dy + from, t->x + from, t->y ? t->y + from : NULL, f->mean[c], f->gain[c],
                f->bias[c], p->rows, &sums[c]);
    }
  }
  for (int64_t c = 0; c < channels; c++) {
    out->a[c] += total_of(sums[c].a, sums[c].rest_a);
    out->b[c] += total_of(sums[c].b, sums[c].rest_b);
  }
}

static void segment_grad_sums(const ig_batch_norm *norm, const cut *c,
                              const ig_batch_norm_backward *t, const unit_factors *factors,
                              int64_t unit, int64_t segment, segment_sums *out) {
  const ig_channels *at = &norm->at;
  const unit_factors f = *factors;
  mask_kind mask = mask_of(norm, t);
  int64_t lanes = lanes_in(at, c, unit), stride = at->row_stride;
  memset(out, 0, sizeof *out);
  FOR_PIECES(c, segment, i) {
    piece p = piece_at(at, c, unit, i);
    const float *dy = t->dy + p.from, *x = t->x + p.from, *y = t->y ? t->y + p.from : NULL;
#define SUM_PLANES(m) sum_planes(m, at, &p, lanes, t, &f, out)
#define SUM_LANES(m) sum_lanes(m, dy, x, y, &f, p.rows, stride, LANES, out)
    if (at->block == 1) {
      BY_MASK(mask, SUM_PLANES)
    } else if (lanes == LANES) {
      BY_MASK(mask, SUM_LANES)
    } else {
      sum_lanes(mask, dy, x, y, &f, p.rows, stride, lanes, out);
    }
  }
}

/* --- dx ----------------------------------------------------------------------------------------- */

/* dx = gain * dy + slope * (x - mean) + shift, by channel of a unit. */
typedef struct grad_factors {
  float slope[MAX_WIDTH], shift[MAX_WIDTH];
} grad_factors;

static void combine_grad(const ig_batch_norm *norm, const cut *c, const ig_batch_norm_backward *t,
                         const unit_factors *f, const segment_sums *sums, int64_t unit,
                         grad_factors *out) {
  const ig_channels *at = &norm->at;
  double count = (double)(at->outer * at->inner);
  memset(out, 0, sizeof *out);
  for (int64_t l = 0; l < channels_in(at, c, unit); l++) {
    int64_t channel = unit * c->width + l;
    double sum = 0, product = 0;
    for (int64_t s = 0; s < c->segments; s++) {
      sum += sums[s].a[l];
      product += sums[s].b[l];
    }
    double inv_variance = 1 / ((double)t->variance[channel] + norm->epsilon);
    t->dscale[channel] = (float)(product * sqrt(inv_variance));
    t->dbias[channel] = (float)sum;
    if (!t->batch_stats) continue;
    out->slope[l] = (float)(-(double)f->gain[l] * inv_variance * product / count);
    out->shift[l] = (float)(-(double)f->gain[l] * sum / count);
  }
}

INLINE void grad_plane(mask_kind mask, const float *dy, const float *x, const float *y,
                       const unit_factors *f, const grad_factors *g, int64_t c, int64_t n,
                       float *dx, float *dresidual) {
  float mean = f->mean[c], gain = f->gain[c], bias = f->bias[c];
  float slope = g->slope[c], shift = g->shift[c];
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

INLINE void grad_planes(mask_kind mask, const ig_channels *at, const piece *p, int64_t channels,
                        const ig_batch_norm_backward *t, const unit_factors *f,
                        const grad_factors *g) {
  for (int64_t n = 0; n < p->outer; n++) {
    for (int64_t c = 0; c < channels; c++) {
      int64_t from = p->from + n * at->outer_stride + c * at->block_stride;
      grad_plane(mask, t->dy + from, t->x + from, t->y ? t->y + from : NULL, f, g, c, p->rows,
                 t->dx + from, t->dresidual ? t->dresidual + from : NULL);
    }
  }
}

INLINE void grad_lanes(mask_kind mask, const float *dy, const float *x, const float *y,
                       const unit_factors *f, const grad_factors *g, int64_t rows, int64_t stride,
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
                         const unit_factors *factors, const grad_factors *grads, int64_t unit,
                         int64_t segment) {
  const ig_channels *at = &norm->at;
  const unit_factors f = *factors;
  const grad_factors g = *grads;
  mask_kind mask = mask_of(norm, t);
  int64_t lanes = lanes_in(at, c, unit), stride = at->row_stride;
  FOR_PIECES(c, segment, i) {
    piece p = piece_at(at, c, unit, i);
    const float *dy = t->dy + p.from, *x = t->x + p.from, *y = t->y ? t->y + p.from : NULL;
    float *dx = t->dx + p.from, *rest = t->dresidual ? t->dresidual + p.from : NULL;
#define GRAD_PLANES(m) grad_planes(m, at, &p, lanes, t, &f, &g)
#define GRAD_LANES(m) grad_lanes(m, dy, x, y, &f, &g, p.rows, stride, LANES, dx, rest)
    if (at->block == 1) {
      BY_MASK(mask, GRAD_PLANES)
    } else if (lanes == LANES) {
      BY_MASK(mask, GRAD_LANES)
    } else {
      grad_lanes(mask, dy, x, y, &f, &g, p.rows, stride, lanes, dx, rest);
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
  bool team = batch_norm_team(at, 3), by_unit = spread_units(&c);
  IG_PARALLEL_FOR(team && by_unit)
  for (int64_t unit = 0; unit < c.units; unit++) {
    segment_sums *sums = (segment_sums *)workspace + unit * c.segments;
    unit_factors f;
    grad_factors g;
    factors_of(norm, &c, unit, t->mean, t->variance, t->scale, t->bias, &f);
    IG_PARALLEL_FOR(team && !by_unit)
    for (int64_t s = 0; s < c.segments; s++) segment_grad_sums(norm, &c, t, &f, unit, s, &sums[s]);
    combine_grad(norm, &c, t, &f, sums, unit, &g);
    IG_PARALLEL_FOR(team && !by_unit)
    for (int64_t s = 0; s < c.segments; s++) grad_segment(norm, &c, t, &f, &g, unit, s);
  }
}
