/* Row normalisation. Each row is read from memory once: mean, variance (two passes, as exact as the
 * type allows) and result are computed while it is in the first cache level. Column sums of the
 * gradient are made in parts cut by rows alone, then added in order. */
#include "kernels/layer_norm.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums.h"

static void scale_row(const float *x, float mean, float invstd, const float *scale,
                      const float *bias, int64_t n, float *y) {
  if (bias) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * invstd * scale[i] + bias[i];
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - mean) * invstd * scale[i];
  }
}

static void add_rows(const float *a, const float *b, int64_t n, float *sum) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) sum[i] = a[i] + b[i];
}

void ig_cpu_row_norm_f32(const ig_row_norm *shape, const ig_row_norm_forward *t) {
  int64_t rows = shape->rows, n = shape->columns;
  IG_PARALLEL_FOR(ig_worth_team(rows * n * 8))
  for (int64_t r = 0; r < rows; r++) {
    const float *x = (const float *)t->x + r * n;
    float *y = (float *)t->y + r * n;
    if (t->residual) { /* without a place for the sum, y holds it until it is overwritten */
      float *sum = t->sum ? (float *)t->sum + r * n : y;
      add_rows(x, (const float *)t->residual + r * n, n, sum);
      x = sum;
    }
    float mean = shape->center ? (float)(ig_long_sum_f32(x, n) / (double)n) : 0;
    double variance = ig_long_squares_f32(x, mean, n) / (double)n;
    float invstd = (float)(1 / sqrt(variance + shape->epsilon));
    scale_row(x, mean, invstd, t->scale, t->bias, n, y);
    if (t->mean) ((float *)t->mean)[r] = mean;
    if (t->invstd) ((float *)t->invstd)[r] = invstd;
  }
}

/* Parts into which rows are cut for column sums. */
static int64_t row_parts(const ig_row_norm *shape) {
  return ig_parts(shape->rows, 16, 64);
}

size_t ig_cpu_row_norm_grad_workspace(const ig_row_norm *shape) {
  return (size_t)row_parts(shape) * 2 * (size_t)shape->columns * sizeof(double);
}

/* One row: adds to the column sums and returns the row means of g and of g * h. */
static void grad_row_sums(const float *dy, const float *x, const float *scale, float mean,
                          float invstd, int64_t n, float *dscale, float *dbias, double *mean_g,
                          double *mean_gh) {
  double sum_g = 0, sum_gh = 0;
  for (int64_t begin = 0; begin < n; begin += IG_STRETCH) {
    int64_t end = n - begin < IG_STRETCH ? n : begin + IG_STRETCH;
    float g = 0, gh = 0;
#pragma omp simd reduction(+ : g, gh)
    for (int64_t i = begin; i < end; i++) {
      float h = (x[i] - mean) * invstd, d = dy[i];
      dscale[i] += d * h;
      dbias[i] += d;
      g += d * scale[i];
      gh += d * scale[i] * h;
    }
    sum_g += g;
    sum_gh += gh;
  }
  *mean_g = sum_g / (double)n;
  *mean_gh = sum_gh / (double)n;
}

static void grad_row(const float *dy, const float *x, const float *scale, float mean, float invstd,
                     float mean_g, float mean_gh, const float *extra, int64_t n, float *dx) {
  if (extra) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      float h = (x[i] - mean) * invstd;
      dx[i] = invstd * (dy[i] * scale[i] - mean_g - h * mean_gh) + extra[i];
    }
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      float h = (x[i] - mean) * invstd;
      dx[i] = invstd * (dy[i] * scale[i] - mean_g - h * mean_gh);
    }
  }
}

/* dscale and dbias of `parts` consecutive [2][n] partial sums. */
static void add_parts(const float *partial, int64_t parts, int64_t n, float *dscale, float *dbias) {
  memset(dscale, 0, (size_t)n * sizeof *dscale);
  if (dbias) memset(dbias, 0, (size_t)n * sizeof *dbias);
  for (int64_t p = 0; p < parts; p++) {
    add_rows(dscale, partial + 2 * p * n, n, dscale);
    if (dbias) add_rows(dbias, partial + (2 * p + 1) * n, n, dbias);
  }
}

void ig_cpu_row_norm_grad_f32(const ig_row_norm *shape, const ig_row_norm_backward *t,
                              void *workspace) {
  int64_t n = shape->columns, parts = row_parts(shape);
  float *partial = workspace;
  IG_PARALLEL_FOR(ig_worth_team(shape->rows * n * 12))
  for (int64_t part = 0; part < parts; part++) {
    float *dscale = partial + 2 * part * n, *dbias = dscale + n;
    memset(dscale, 0, 2 * (size_t)n * sizeof *dscale);
    int64_t last = ig_part_begin(shape->rows, parts, part + 1);
    for (int64_t r = ig_part_begin(shape->rows, parts, part); r < last; r++) {
      const float *dy = (const float *)t->dy + r * n, *x = (const float *)t->x + r * n;
      const float *extra = t->extra ? (const float *)t->extra + r * n : NULL;
      float mean = t->mean ? ((const float *)t->mean)[r] : 0;
      float invstd = ((const float *)t->invstd)[r];
      double mean_g, mean_gh;
      grad_row_sums(dy, x, t->scale, mean, invstd, n, dscale, dbias, &mean_g, &mean_gh);
      grad_row(dy, x, t->scale, mean, invstd, shape->center ? (float)mean_g : 0, (float)mean_gh,
               extra, n, (float *)t->dx + r * n);
    }
  }
  add_parts(partial, parts, n, t->dscale, t->dbias);
}

/* --- any float type, one element at a time, in f64 -------------------------------------------- */

static double load(ig_dtype dtype, const void *data, int64_t i) {
  return data ? ig_load_f64(dtype, data, i) : 0;
}

static void store(ig_dtype dtype, void *data, int64_t i, double value) {
  if (data) ig_store_f64(dtype, data, i, value);
}

void ig_cpu_row_norm_reference(ig_dtype dtype, ig_dtype stats, const ig_row_norm *shape,
                               const ig_row_norm_forward *t) {
  int64_t n = shape->columns;
  for (int64_t r = 0; r < shape->rows; r++) {
    void *s = t->sum ? t->sum : t->y; /* rounded to the type, as an Add before would do */
    double mean = 0, variance = 0;
    for (int64_t i = r * n; i < (r + 1) * n; i++) {
      store(dtype, s, i, load(dtype, t->x, i) + load(dtype, t->residual, i));
      if (shape->center) mean += load(dtype, s, i) / (double)n;
    }
    for (int64_t i = r * n; i < (r + 1) * n; i++)
      variance += pow(load(dtype, s, i) - mean, 2) / (double)n;
    double invstd = 1 / sqrt(variance + shape->epsilon);
    for (int64_t i = 0; i < n; i++) {
      double h = (load(dtype, s, r * n + i) - mean) * invstd;
      store(dtype, t->y, r * n + i, h * load(dtype, t->scale, i) + load(dtype, t->bias, i));
    }
    store(stats, t->mean, r, mean);
    store(stats, t->invstd, r, invstd);
  }
}

void ig_cpu_row_norm_grad_reference(ig_dtype dtype, ig_dtype stats, const ig_row_norm *shape,
                                    const ig_row_norm_backward *t, void *workspace) {
  int64_t n = shape->columns;
  double *dscale = workspace, *dbias = dscale + n;
  memset(dscale, 0, 2 * (size_t)n * sizeof *dscale);
  for (int64_t r = 0; r < shape->rows; r++) {
    double mean = load(stats, t->mean, r), invstd = load(stats, t->invstd, r);
    double mean_g = 0, mean_gh = 0;
    for (int64_t i = 0; i < n; i++) {
      double dy = load(dtype, t->dy, r * n + i);
      double h = (load(dtype, t->x, r * n + i) - mean) * invstd;
      double g = dy * load(dtype, t->scale, i);
      dscale[i] += dy * h;
      dbias[i] += dy;
      if (shape->center) mean_g += g / (double)n;
      mean_gh += g * h / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
      double h = (load(dtype, t->x, r * n + i) - mean) * invstd;
      double g = load(dtype, t->dy, r * n + i) * load(dtype, t->scale, i);
      double dx = invstd * (g - mean_g - h * mean_gh) + load(dtype, t->extra, r * n + i);
      store(dtype, t->dx, r * n + i, dx);
    }
  }
  for (int64_t i = 0; i < n; i++) {
    store(dtype, t->dscale, i, dscale[i]);
    store(dtype, t->dbias, i, dbias[i]);
  }
}
