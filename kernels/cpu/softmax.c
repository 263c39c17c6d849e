/* Softmax and its kin. Where the dimension is innermost a task is one row, read in pieces that stay
 * in the first-level cache; otherwise a task is a tile of neighbouring columns, whose maxima and sums
 * are vectors. 16-bit types are converted piece by piece. */
#include "kernels/softmax.h"

#include <math.h>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_math.h"

#define PIECE 512 /* elements of a row at a time */
#define TILE 64   /* columns at a time */
#define HEAVY 4   /* an exponential costs about so many cheap elements */

static const void *at(ig_dtype dtype, const void *x, int64_t i) {
  return (const char *)x + i * (int64_t)ig_dtype_size(dtype);
}

/* m <= PIECE elements as floats: where they are, or converted into `buffer`. */
static const float *load(ig_dtype dtype, const void *x, int64_t i, int64_t m, float *buffer) {
  if (dtype == IG_F32) return (const float *)x + i;
  ig_convert(dtype, at(dtype, x, i), IG_F32, buffer, m);
  return buffer;
}

/* Where results go before they are converted; f32 needs no detour. */
static float *target(ig_dtype dtype, void *y, int64_t i, float *buffer) {
  return dtype == IG_F32 ? (float *)y + i : buffer;
}

static void save(ig_dtype dtype, void *y, int64_t i, int64_t m, const float *buffer) {
  if (dtype != IG_F32) ig_convert(IG_F32, buffer, dtype, (void *)at(dtype, y, i), m);
}

/* --- pieces ---------------------------------------------------------------------------------- */

static float max_of(const float *x, int64_t n) {
  float a = -INFINITY;
#pragma omp simd reduction(max : a)
  for (int64_t i = 0; i < n; i++) a = x[i] > a ? x[i] : a;
  return a;
}

static float sum_of_exp(const float *x, int64_t n, float shift) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += ig_vexp_nonpositive(x[i] - shift);
  return sum;
}

static float exp_and_sum(const float *x, float *y, int64_t n, float shift) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) {
    float e = ig_vexp_nonpositive(x[i] - shift);
    y[i] = e;
    sum += e;
  }
  return sum;
}

static float sum_of(const float *x, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += x[i];
  return sum;
}

static float dot(const float *a, const float *b, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* --- a row of the innermost dimension --------------------------------------------------------- */

static float row_max(ig_dtype dtype, const void *x, int64_t first, int64_t n) {
  float most = -INFINITY, buffer[PIECE];
  for (int64_t i = 0; i < n; i += PIECE) {
    int64_t m = IG_MIN(PIECE, n - i);
    float piece = max_of(load(dtype, x, first + i, m, buffer), m);
    most = piece > most ? piece : most;
  }
  return most;
}

static ig_normalizer row_normalizer(ig_dtype dtype, const void *x, int64_t first, int64_t n,
                                    float *sum) {
  float most = row_max(dtype, x, first, n), total = 0, plain = 0, buffer[PIECE];
  for (int64_t i = 0; i < n; i += PIECE) {
    int64_t m = IG_MIN(PIECE, n - i);
    const float *piece = load(dtype, x, first + i, m, buffer);
    total += sum_of_exp(piece, m, most);
    if (sum) plain += sum_of(piece, m);
  }
  if (sum) *sum = plain;
  return (ig_normalizer){.most = most, .log_total = ig_vlog(total)};
}

static void softmax_row_f32(const float *x, float *y, int64_t n) {
  float most = row_max(IG_F32, x, 0, n), total = 0;
  for (int64_t i = 0; i < n; i += PIECE)
    total += exp_and_sum(x + i, y + i, IG_MIN(PIECE, n - i), most);
  float scale = 1.0f / total;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] *= scale;
}

/* log softmax(x), or its exponential. */
static void shift_row(bool log, ig_dtype dtype, const void *x, void *y, int64_t first, int64_t n,
                      ig_normalizer by) {
  float in[PIECE], out[PIECE];
  for (int64_t i = 0; i < n; i += PIECE) {
    int64_t m = IG_MIN(PIECE, n - i);
    const float *from = load(dtype, x, first + i, m, in);
    float *to = target(dtype, y, first + i, out);
    if (log) {
#pragma omp simd
      for (int64_t k = 0; k < m; k++) to[k] = (from[k] - by.most) - by.log_total;
    } else {
#pragma omp simd
      for (int64_t k = 0; k < m; k++)
        to[k] = ig_vexp_nonpositive((from[k] - by.most) - by.log_total);
    }
    save(dtype, y, first + i, m, out);
  }
}

static void grad_row(bool log, ig_dtype dtype, const void *dy, const void *y, void *dx,
                     int64_t first, int64_t n) {
  float da[PIECE], ya[PIECE], out[PIECE], total = 0;
  for (int64_t i = 0; i < n; i += PIECE) {
    int64_t m = IG_MIN(PIECE, n - i);
    const float *d = load(dtype, dy, first + i, m, da);
    total += log ? sum_of(d, m) : dot(d, load(dtype, y, first + i, m, ya), m);
  }
  for (int64_t i = 0; i < n; i += PIECE) {
    int64_t m = IG_MIN(PIECE, n - i);
    const float *d = load(dtype, dy, first + i, m, da), *v = load(dtype, y, first + i, m, ya);
    float *to = target(dtype, dx, first + i, out);
    if (log) {
#pragma omp simd
      for (int64_t k = 0; k < m; k++) to[k] = d[k] - ig_vexp(v[k]) * total;
    } else {
#pragma omp simd
      for (int64_t k = 0; k < m; k++) to[k] = v[k] * (d[k] - total);
    }
    save(dtype, dx, first + i, m, out);
  }
}

/* --- a tile of columns ------------------------------------------------------------------------ */

static void tile_normalizer(ig_dtype dtype, const ig_rows *r, const void *x, int64_t first,
                            int64_t width, float *most, float *log_total, float *sum) {
  float total[TILE], buffer[TILE];
  for (int64_t k = 0; k < width; k++) most[k] = -INFINITY, total[k] = 0;
  for (int64_t i = 0; i < r->n; i++) {
    const float *row = load(dtype, x, first + i * r->inner, width, buffer);
#pragma omp simd
    for (int64_t k = 0; k < width; k++) most[k] = row[k] > most[k] ? row[k] : most[k];
  }
  for (int64_t k = 0; k < width && sum; k++) sum[k] = 0;
  for (int64_t i = 0; i < r->n; i++) {
    const float *row = load(dtype, x, first + i * r->inner, width, buffer);
#pragma omp simd
    for (int64_t k = 0; k < width; k++) total[k] += ig_vexp_nonpositive(row[k] - most[k]);
    for (int64_t k = 0; k < width && sum; k++) sum[k] += row[k];
  }
  for (int64_t k = 0; k < width; k++) log_total[k] = ig_vlog(total[k]);
}

static void softmax_tile(bool log, ig_dtype dtype, const ig_rows *r, const void *x, void *y,
                         int64_t first, int64_t width) {
  float most[TILE], log_total[TILE], in[TILE], out[TILE];
  tile_normalizer(dtype, r, x, first, width, most, log_total, NULL);
  for (int64_t i = 0; i < r->n; i++) {
    int64_t from = first + i * r->inner;
    const float *row = load(dtype, x, from, width, in);
    float *to = target(dtype, y, from, out);
    if (log) {
#pragma omp simd
      for (int64_t k = 0; k < width; k++) to[k] = (row[k] - most[k]) - log_total[k];
    } else {
#pragma omp simd
      for (int64_t k = 0; k < width; k++)
        to[k] = ig_vexp_nonpositive((row[k] - most[k]) - log_total[k]);
    }
    save(dtype, y, from, width, out);
  }
}

static void grad_tile(bool log, ig_dtype dtype, const ig_rows *r, const void *dy, const void *y,
                      void *dx, int64_t first, int64_t width) {
  float total[TILE], da[TILE], ya[TILE], out[TILE];
  for (int64_t k = 0; k < width; k++) total[k] = 0;
  for (int64_t i = 0; i < r->n; i++) {
    int64_t from = first + i * r->inner;
    const float *d = load(dtype, dy, from, width, da), *v = load(dtype, y, from, width, ya);
    for (int64_t k = 0; k < width; k++) total[k] += log ? d[k] : d[k] * v[k];
  }
  for (int64_t i = 0; i < r->n; i++) {
    int64_t from = first + i * r->inner;
    const float *d = load(dtype, dy, from, width, da), *v = load(dtype, y, from, width, ya);
    float *to = target(dtype, dx, from, out);
    if (log) {
#pragma omp simd
      for (int64_t k = 0; k < width; k++) to[k] = d[k] - ig_vexp(v[k]) * total[k];
    } else {
#pragma omp simd
      for (int64_t k = 0; k < width; k++) to[k] = v[k] * (d[k] - total[k]);
    }
    save(dtype, dx, from, width, out);
  }
}

/* --- launchers ------------------------------------------------------------------------------- */

/* Tiles of columns in one outer index. */
static int64_t tiles_of(const ig_rows *r) {
  return (r->inner + TILE - 1) / TILE;
}

void ig_cpu_softmax_vector(bool log, ig_dtype dtype, const ig_rows *r, const void *x, void *y) {
  int64_t tiles = tiles_of(r), tasks = r->outer * tiles;
#pragma omp parallel for schedule(static) if (tasks > 1 && r->outer * r->n * r->inner * HEAVY >=   \
                                                               IG_PARALLEL_FROM)
  for (int64_t t = 0; t < tasks; t++) {
    int64_t column = t % tiles * TILE, first = t / tiles * r->n * r->inner + column;
    if (r->inner > 1) {
      softmax_tile(log, dtype, r, x, y, first, IG_MIN(TILE, r->inner - column));
    } else if (!log && (dtype == IG_F32 || r->n <= PIECE)) {
      float in[PIECE], out[PIECE];
      softmax_row_f32(load(dtype, x, first, r->n, in), target(dtype, y, first, out), r->n);
      save(dtype, y, first, r->n, out);
    } else {
      shift_row(log, dtype, x, y, first, r->n, row_normalizer(dtype, x, first, r->n, NULL));
    }
  }
}

void ig_cpu_softmax_grad_vector(bool log, ig_dtype dtype, const ig_rows *r, const void *dy,
                                const void *y, void *dx) {
  int64_t tiles = tiles_of(r), tasks = r->outer * tiles;
#pragma omp parallel for schedule(static) if (tasks > 1 &&                                         \
                                              r->outer * r->n * r->inner * 2 >= IG_PARALLEL_FROM)
  for (int64_t t = 0; t < tasks; t++) {
    int64_t column = t % tiles * TILE, first = t / tiles * r->n * r->inner + column;
    if (r->inner > 1) {
      grad_tile(log, dtype, r, dy, y, dx, first, IG_MIN(TILE, r->inner - column));
    } else {
      grad_row(log, dtype, dy, y, dx, first, r->n);
    }
  }
}

void ig_cpu_softmax_normalizer(ig_dtype dtype, const ig_rows *r, const void *x,
                               ig_normalizer *normalizer, float *sum) {
  int64_t tiles = tiles_of(r), tasks = r->outer * tiles;
#pragma omp parallel for schedule(static) if (tasks > 1 && r->outer * r->n * r->inner * HEAVY >=   \
                                                               IG_PARALLEL_FROM)
  for (int64_t t = 0; t < tasks; t++) {
    int64_t column = t % tiles * TILE, first = t / tiles * r->n * r->inner + column;
    int64_t to = t / tiles * r->inner + column, width = IG_MIN(TILE, r->inner - column);
    float *sums = sum ? sum + to : NULL;
    if (r->inner > 1) {
      float most[TILE], log_total[TILE];
      tile_normalizer(dtype, r, x, first, width, most, log_total, sums);
      for (int64_t k = 0; k < width; k++)
        normalizer[to + k] = (ig_normalizer){.most = most[k], .log_total = log_total[k]};
    } else {
      normalizer[to] = row_normalizer(dtype, x, first, r->n, sums);
    }
  }
}

/* --- reference ------------------------------------------------------------------------------- */

void ig_cpu_softmax_reference(bool log_of, ig_dtype dtype, const ig_rows *r, const void *x,
                              void *y) {
  for (int64_t t = 0; t < r->outer * r->inner; t++) {
    int64_t first = t / r->inner * r->n * r->inner + t % r->inner;
    double most = -INFINITY, total = 0;
    for (int64_t i = 0; i < r->n; i++)
      most = fmax(most, ig_load_f64(dtype, x, first + i * r->inner));
    for (int64_t i = 0; i < r->n; i++)
      total += exp(ig_load_f64(dtype, x, first + i * r->inner) - most);
    for (int64_t i = 0; i < r->n; i++) {
      double shifted = ig_load_f64(dtype, x, first + i * r->inner) - most;
      ig_store_f64(dtype, y, first + i * r->inner,
                   log_of ? shifted - log(total) : exp(shifted) / total);
    }
  }
}

void ig_cpu_softmax_grad_reference(bool log_of, ig_dtype dtype, const ig_rows *r, const void *dy,
                                   const void *y, void *dx) {
  for (int64_t t = 0; t < r->outer * r->inner; t++) {
    int64_t first = t / r->inner * r->n * r->inner + t % r->inner;
    double total = 0;
    for (int64_t i = 0; i < r->n; i++) {
      int64_t k = first + i * r->inner;
      total += ig_load_f64(dtype, dy, k) * (log_of ? 1 : ig_load_f64(dtype, y, k));
    }
    for (int64_t i = 0; i < r->n; i++) {
      int64_t k = first + i * r->inner;
      double d = ig_load_f64(dtype, dy, k), v = ig_load_f64(dtype, y, k);
      ig_store_f64(dtype, dx, k, log_of ? d - exp(v) * total : v * (d - total));
    }
  }
}
