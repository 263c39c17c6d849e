/* Products of matrices of 8-bit integers. A task is a stretch of a row of the result: rows of b, each
 * times one number of a, are added up in the first-level cache. The zero points of b come in at the end,
 * times the sum of a's row. Arithmetic is unsigned, since sums may wrap. */
#include "kernels/matmul_integer.h"

#include "kernels/cpu/parallel.h"

#define STRETCH 512

static int32_t load(ig_dtype dtype, const void *x, int64_t i) {
  return dtype == IG_I8 ? ((const int8_t *)x)[i] : ((const uint8_t *)x)[i];
}

static int32_t zero_at(ig_dtype dtype, const void *zero, bool many, int64_t i) {
  return zero ? load(dtype, zero, many ? i : 0) : 0;
}

/* Where matrix `index` of the result has its operands, in matrices. */
static void find_matrices(const ig_matmul_integer *s, int64_t index, int64_t *a, int64_t *b) {
  *a = *b = 0;
  for (int d = s->batch.rank - 1; d >= 0; d--) {
    *a += index % s->batch.dims[d] * s->a_step[d];
    *b += index % s->batch.dims[d] * s->b_step[d];
    index /= s->batch.dims[d];
  }
}

static void add_i8(uint32_t *sums, uint32_t factor, const int8_t *b, int64_t n) {
#pragma omp simd
  for (int64_t j = 0; j < n; j++) sums[j] += factor * (uint32_t)(int32_t)b[j];
}

static void add_u8(uint32_t *sums, uint32_t factor, const uint8_t *b, int64_t n) {
#pragma omp simd
  for (int64_t j = 0; j < n; j++) sums[j] += factor * (uint32_t)b[j];
}

/* Columns [first, first + width) of one row; `a` is at the row, `b` at its matrix. */
static void multiply_row(const ig_matmul_integer *s, const void *a, const void *b, int32_t a_zero,
                         const void *b_zero, int64_t first, int64_t width, int32_t *c) {
  uint32_t sums[STRETCH] = {0}, total = 0;
  for (int64_t i = 0; i < s->k; i++) {
    uint32_t factor = (uint32_t)(load(s->a, a, i) - a_zero);
    total += factor;
    if (s->b == IG_I8)
      add_i8(sums, factor, (const int8_t *)b + i * s->n + first, width);
    else
      add_u8(sums, factor, (const uint8_t *)b + i * s->n + first, width);
  }
  for (int64_t j = 0; j < width; j++) {
    uint32_t zero = (uint32_t)zero_at(s->b, b_zero, s->b_zero_columns, first + j);
    c[j] = (int32_t)(sums[j] - total * zero);
  }
}

void ig_cpu_matmul_integer(const ig_matmul_integer *s, const void *a, const void *b,
                           const void *a_zero, const void *b_zero, int32_t *c) {
  int64_t pieces = (s->n + STRETCH - 1) / STRETCH;
  int64_t tasks = ig_shape_count(&s->batch) * s->m * pieces;
  IG_PARALLEL_FOR(tasks > 1 &&
                  (double)tasks * (double)s->k * (double)s->n > 64.0 * IG_PARALLEL_FROM)
  for (int64_t task = 0; task < tasks; task++) {
    int64_t row = task / pieces, first = task % pieces * STRETCH, i = row % s->m, in_a, in_b;
    find_matrices(s, row / s->m, &in_a, &in_b);
    multiply_row(s, (const char *)a + (in_a * s->m + i) * s->k,
                 (const char *)b + in_b * s->k * s->n, zero_at(s->a, a_zero, s->a_zero_rows, i),
                 b_zero, first, IG_MIN(STRETCH, s->n - first), c + row * s->n + first);
  }
}

void ig_cpu_matmul_integer_reference(const ig_matmul_integer *s, const void *a, const void *b,
                                     const void *a_zero, const void *b_zero, int32_t *c) {
  int64_t rows = ig_shape_count(&s->batch) * s->m;
  for (int64_t at = 0; at < rows * s->n; at++) {
    int64_t i = at / s->n % s->m, j = at % s->n, in_a, in_b;
    find_matrices(s, at / s->n / s->m, &in_a, &in_b);
    uint32_t sum = 0;
    for (int64_t l = 0; l < s->k; l++) {
      int32_t x =
          load(s->a, a, (in_a * s->m + i) * s->k + l) - zero_at(s->a, a_zero, s->a_zero_rows, i);
      int32_t y =
          load(s->b, b, (in_b * s->k + l) * s->n + j) - zero_at(s->b, b_zero, s->b_zero_columns, j);
      sum += (uint32_t)(x * y);
    }
    c[at] = (int32_t)sum;
  }
}
