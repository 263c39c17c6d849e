/* Recurrent layers in f32 and f64: kernels/cpu/recurrent_steps.h for both, with the products of each. */
#include "kernels/recurrent.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/tile_product.h"

/* Rows and columns of a thread's piece. */
#define ROWS 64
#define COLUMNS 256

/* c[i][j] += sum over k of a[i * a_row + k * a_col] * b[k * b_row + j]; in the order of k, however it is
 * cut. */
static void product_f32(int64_t rows, int64_t columns, int64_t depth, const float *a, int64_t a_row,
                        int64_t a_col, const float *b, int64_t b_row, float *c, int64_t c_row) {
  int64_t across = (columns + COLUMNS - 1) / COLUMNS, tasks = (rows + ROWS - 1) / ROWS * across;
  IG_PARALLEL_FOR(rows * columns * depth > 8 * IG_PARALLEL_FROM)
  for (int64_t task = 0; task < tasks; task++) {
    int64_t i = task / across * ROWS, j = task % across * COLUMNS;
    int64_t m = rows - i < ROWS ? rows - i : ROWS, n = columns - j < COLUMNS ? columns - j : COLUMNS;
    int64_t whole = n / IG_VECTOR * IG_VECTOR;
    ig_tile_product(m, whole, depth, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j,
                    c_row, true);
    for (int64_t row = i; row < i + m && whole < n; row++) {
      for (int64_t k = 0; k < depth; k++) {
        float factor = a[row * a_row + k * a_col];
        for (int64_t col = j + whole; col < j + n; col++) {
          c[row * c_row + col] += factor * b[k * b_row + col];
        }
      }
    }
  }
}

static void product_f64(int64_t rows, int64_t columns, int64_t depth, const double *a,
                        int64_t a_row, int64_t a_col, const double *b, int64_t b_row, double *c,
                        int64_t c_row) {
  IG_PARALLEL_FOR(rows * columns * depth > 8 * IG_PARALLEL_FROM)
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t k = 0; k < depth; k++) {
      double factor = a[i * a_row + k * a_col];
      for (int64_t j = 0; j < columns; j++) c[i * c_row + j] += factor * b[k * b_row + j];
    }
  }
}

size_t ig_recurrent_scratch(const ig_recurrent *s, bool backward) {
  size_t gh = (size_t)ig_recurrent_gates(s->kind) * (size_t)s->hidden;
  size_t h = (size_t)s->hidden, rows = (size_t)s->steps * (size_t)s->batch;
  size_t bh = (size_t)s->batch * h;
  size_t forward = ((size_t)s->input + h + rows) * gh + 3 * rows * h + 5 * bh;
  return forward + (backward ? 2 * rows * gh : 0);
}

#define REAL float
#define SUFFIX _f32
#define EXP expf
#define TANH tanhf
#define LOG1P log1pf
#include "kernels/cpu/recurrent_steps.h"
#undef REAL
#undef SUFFIX
#undef EXP
#undef TANH
#undef LOG1P
#undef JOIN_
#undef JOIN
#undef NAME

#define REAL double
#define SUFFIX _f64
#define EXP exp
#define TANH tanh
#define LOG1P log1p
#include "kernels/cpu/recurrent_steps.h"
