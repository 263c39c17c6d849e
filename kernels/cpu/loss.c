/* Losses. The class loss reads each row's normalizer, so that a row costs one exponential a class in
 * each direction; rows are independent, and the caller adds their losses in order. */
#include "kernels/loss.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums.h"
#include "kernels/cpu/vector_math.h"

#define PIECE 512

static int64_t label_of(const ig_class_loss *p, int64_t row) {
  return p->label_dtype == IG_I64 ? ((const int64_t *)p->labels)[row]
                                  : ((const int32_t *)p->labels)[row];
}

/* Element of the row's class 0. */
static int64_t first_of(const ig_class_loss *p, int64_t row) {
  return row / p->rows.inner * p->rows.n * p->rows.inner + row % p->rows.inner;
}

static double score_of(const ig_class_loss *p, int64_t row, int64_t class) {
  return ig_load_f64(p->dtype, p->scores, first_of(p, row) + class * p->rows.inner);
}

static double factor_of(const ig_class_loss *p, int64_t label) {
  if (label == p->ignore) return 0;
  return p->weights ? ig_load_f64(p->dtype, p->weights, label) : 1;
}

int64_t ig_cpu_bad_label(const ig_class_loss *p) {
  for (int64_t row = 0; row < p->rows.outer * p->rows.inner; row++) {
    int64_t label = label_of(p, row);
    if (label != p->ignore && (label < 0 || label >= p->rows.n)) return row;
  }
  return -1;
}

/* --- losses ---------------------------------------------------------------------------------- */

/* From log p = (x - most) - log_total, and the sum of it over the classes. */
static double row_loss(const ig_class_loss *p, double factor, double log_p, double mean_log_p) {
  if (factor == 0) return 0;
  return -factor * ((1 - p->smoothing) * log_p + p->smoothing * mean_log_p);
}

void ig_cpu_class_losses_vector(const ig_class_loss *p, const ig_normalizer *normalizer,
                                const float *sums, double *losses, double *factors) {
  for (int64_t row = 0; row < p->rows.outer * p->rows.inner; row++) {
    int64_t label = label_of(p, row);
    double most = normalizer[row].most, log_total = normalizer[row].log_total;
    double log_p = label == p->ignore ? 0 : score_of(p, row, label) - most - log_total;
    double mean = sums ? (double)sums[row] / (double)p->rows.n - most - log_total : 0;
    factors[row] = factor_of(p, label);
    losses[row] = row_loss(p, factors[row], log_p, mean);
  }
}

/* log sum e^x in double; *mean gets the mean score. */
static double log_sum_exp(const ig_class_loss *p, int64_t row, double *mean) {
  double most = -INFINITY, total = 0, sum = 0;
  for (int64_t c = 0; c < p->rows.n; c++) most = fmax(most, score_of(p, row, c));
  for (int64_t c = 0; c < p->rows.n; c++) {
    total += exp(score_of(p, row, c) - most);
    sum += score_of(p, row, c);
  }
  *mean = sum / (double)p->rows.n;
  return most + log(total);
}

void ig_cpu_class_losses_reference(const ig_class_loss *p, double *losses, double *factors) {
  for (int64_t row = 0; row < p->rows.outer * p->rows.inner; row++) {
    int64_t label = label_of(p, row);
    double mean, lse = log_sum_exp(p, row, &mean);
    double log_p = label == p->ignore ? 0 : score_of(p, row, label) - lse;
    factors[row] = factor_of(p, label);
    losses[row] = row_loss(p, factors[row], log_p, mean - lse);
  }
}

/* --- gradients ------------------------------------------------------------------------------- */

/* scale (softmax - even) over m classes of stride 1. */
static void grad_piece(const float *x, float *dx, int64_t m, ig_normalizer by, float scale,
                       float even) {
#pragma omp simd
  for (int64_t i = 0; i < m; i++)
    dx[i] = scale * (ig_vexp_nonpositive((x[i] - by.most) - by.log_total) - even);
}

/* m classes of a row from class `at` on, as floats, or back. */
static void gather(const ig_class_loss *p, int64_t at, int64_t m, float *block) {
  int64_t step = p->rows.inner;
  const char *x = (const char *)p->scores + at * (int64_t)ig_dtype_size(p->dtype);
  if (step == 1) ig_convert(p->dtype, x, IG_F32, block, m);
  for (int64_t i = 0; i < m && step > 1; i++) block[i] = (float)ig_load_f64(p->dtype, x, i * step);
}

static void scatter(const ig_class_loss *p, void *dx, int64_t at, int64_t m, const float *block) {
  int64_t step = p->rows.inner;
  char *to = (char *)dx + at * (int64_t)ig_dtype_size(p->dtype);
  if (step == 1) ig_convert(IG_F32, block, p->dtype, to, m);
  for (int64_t i = 0; i < m && step > 1; i++) ig_store_f64(p->dtype, to, i * step, block[i]);
}

/* One row, in place of a detour through a block where it lies there as floats. The label's own term
 * is subtracted before the result is rounded. */
static void grad_row(const ig_class_loss *p, ig_normalizer by, int64_t row, double scale,
                     void *dx) {
  int64_t first = first_of(p, row), label = label_of(p, row);
  float even = (float)(p->smoothing / (double)p->rows.n);
  float own = (float)(scale * (1 - p->smoothing));
  bool direct = p->rows.inner == 1 && p->dtype == IG_F32;
  for (int64_t c = 0; c < p->rows.n; c += PIECE) {
    float block[PIECE];
    int64_t m = IG_MIN(PIECE, p->rows.n - c), at = first + c * p->rows.inner;
    const float *x = direct ? (const float *)p->scores + at : block;
    float *to = direct ? (float *)dx + at : block;
    if (!direct) gather(p, at, m, block);
    if (scale == 0)
      memset(to, 0, (size_t)m * sizeof *to);
    else
      grad_piece(x, to, m, by, (float)scale, even);
    if (scale != 0 && label >= c && label < c + m) to[label - c] -= own;
    if (!direct) scatter(p, dx, at, m, block);
  }
}

void ig_cpu_class_loss_grad_vector(const ig_class_loss *p, const ig_normalizer *normalizer,
                                   const double *scale, void *dx) {
  int64_t rows = p->rows.outer * p->rows.inner;
#pragma omp parallel for schedule(static) if (rows > 1 && rows * p->rows.n * 4 >= IG_PARALLEL_FROM)
  for (int64_t row = 0; row < rows; row++) grad_row(p, normalizer[row], row, scale[row], dx);
}

void ig_cpu_class_loss_grad_reference(const ig_class_loss *p, const double *scale, void *dx) {
  double even = p->smoothing / (double)p->rows.n;
  for (int64_t row = 0; row < p->rows.outer * p->rows.inner; row++) {
    int64_t label = label_of(p, row);
    double mean, lse = log_sum_exp(p, row, &mean);
    for (int64_t c = 0; c < p->rows.n; c++) {
      double probability = exp(score_of(p, row, c) - lse);
      double own = c == label ? 1 - p->smoothing : 0;
      double d = scale[row] == 0 ? 0 : scale[row] * (probability - own - even);
      ig_store_f64(p->dtype, dx, first_of(p, row) + c * p->rows.inner, d);
    }
  }
}

/* --- means of elementwise losses -------------------------------------------------------------- */

#define BLOCK 2048

size_t ig_cpu_pair_loss_workspace(int64_t n) {
  return (size_t)((n + BLOCK - 1) / BLOCK) * sizeof(float);
}

static float block_loss(ig_pair_loss kind, const float *x, const float *t, int64_t n) {
  float each[BLOCK];
  if (kind == IG_LOSS_SQUARED_ERROR) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) each[i] = (x[i] - t[i]) * (x[i] - t[i]);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) each[i] = ig_vsoftplus(x[i]) - x[i] * t[i];
  }
  return ig_sum_f32(each, n);
}

static const float *as_floats(ig_dtype dtype, const void *x, int64_t at, int64_t n, float *buffer) {
  if (dtype == IG_F32) return (const float *)x + at;
  ig_convert(dtype, (const char *)x + at * (int64_t)ig_dtype_size(dtype), IG_F32, buffer, n);
  return buffer;
}

float ig_cpu_pair_loss_vector(ig_pair_loss kind, ig_dtype dtype, const void *x, const void *t,
                              int64_t n, float *workspace) {
  int64_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) if (n >= IG_PARALLEL_FROM)
  for (int64_t b = 0; b < blocks; b++) {
    float xs[BLOCK], ts[BLOCK];
    int64_t m = IG_MIN(BLOCK, n - b * BLOCK);
    workspace[b] = block_loss(kind, as_floats(dtype, x, b * BLOCK, m, xs),
                              as_floats(dtype, t, b * BLOCK, m, ts), m);
  }
  return (float)(ig_long_sum_f32(workspace, blocks) / (double)n);
}

double ig_cpu_pair_loss_reference(ig_pair_loss kind, ig_dtype dtype, const void *x, const void *t,
                                  int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    double a = ig_load_f64(dtype, x, i), b = ig_load_f64(dtype, t, i);
    sum += kind == IG_LOSS_SQUARED_ERROR ? (a - b) * (a - b)
                                         : fmax(a, 0) + log1p(exp(-fabs(a))) - a * b;
  }
  return sum / (double)n;
}
