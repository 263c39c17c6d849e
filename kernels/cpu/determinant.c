/* A = P' L U Q' by elimination with full pivoting, so that the zeros of a singular matrix are the last
 * pivots. The adjugate of a product is that of its factors, in the other order: adj A = det(P) det(Q)
 * Q adj(U) inv(L) P, where adj U = det(U) inv(U), or, where the last pivot alone is 0, the product of the
 * others times the null vector of U and the last unit row; with more zeros it is 0. */
#include "kernels/determinant.h"

#include <math.h>
#include <string.h>

typedef struct factors {
  int64_t n, rank;
  double sign;     /* det(P) det(Q) */
  double *lu;      /* [n, n]: U, and L below the diagonal, whose own is 1 */
  double *column;  /* [n] */
  int64_t *row_of; /* row i of the factors is row row_of[i] of A */
  int64_t *column_of;
} factors;

size_t ig_cpu_det_workspace(int64_t n) {
  size_t m = (size_t)n;
  return (m * m + m) * sizeof(double) + 2 * m * sizeof(int64_t);
}

static factors factors_at(int64_t n, void *workspace) {
  factors f = {.n = n, .lu = workspace};
  f.column = f.lu + n * n;
  f.row_of = (int64_t *)(f.column + n);
  f.column_of = f.row_of + n;
  return f;
}

static void swap_rows(factors *f, int64_t a, int64_t b) {
  if (a == b) return;
  for (int64_t c = 0; c < f->n; c++) {
    double t = f->lu[a * f->n + c];
    f->lu[a * f->n + c] = f->lu[b * f->n + c];
    f->lu[b * f->n + c] = t;
  }
  int64_t t = f->row_of[a];
  f->row_of[a] = f->row_of[b];
  f->row_of[b] = t;
  f->sign = -f->sign;
}

static void swap_columns(factors *f, int64_t a, int64_t b) {
  if (a == b) return;
  for (int64_t r = 0; r < f->n; r++) {
    double t = f->lu[r * f->n + a];
    f->lu[r * f->n + a] = f->lu[r * f->n + b];
    f->lu[r * f->n + b] = t;
  }
  int64_t t = f->column_of[a];
  f->column_of[a] = f->column_of[b];
  f->column_of[b] = t;
  f->sign = -f->sign;
}

/* Matrix `batch` of x into f->lu, and there into its factors. Without `full`, pivots are sought in their
 * own column, which suffices for the determinant. */
static void factorise(factors *f, ig_dtype dtype, const void *x, int64_t batch, bool full) {
  int64_t n = f->n;
  double *a = f->lu;
  for (int64_t i = 0; i < n * n; i++) a[i] = ig_load_f64(dtype, x, batch * n * n + i);
  for (int64_t i = 0; i < n; i++) f->row_of[i] = f->column_of[i] = i;
  f->sign = 1;
  f->rank = n;
  for (int64_t k = 0; k < n; k++) {
    int64_t row = k, column = k;
    for (int64_t r = k; r < n; r++) {
      for (int64_t c = k; c < (full ? n : k + 1); c++) {
        if (fabs(a[r * n + c]) > fabs(a[row * n + column])) row = r, column = c;
      }
    }
    if (a[row * n + column] == 0) {
      f->rank = k;
      return;
    }
    swap_rows(f, k, row);
    swap_columns(f, k, column);
    for (int64_t r = k + 1; r < n; r++) {
      double factor = a[r * n + k] /= a[k * n + k];
      for (int64_t c = k + 1; c < n && factor != 0; c++) a[r * n + c] -= factor * a[k * n + c];
    }
  }
}

void ig_cpu_det(ig_dtype dtype, int64_t batches, int64_t n, const void *x, void *y,
                void *workspace) {
  factors f = factors_at(n, workspace);
  for (int64_t b = 0; b < batches; b++) {
    factorise(&f, dtype, x, b, false);
    double det = f.rank < n ? 0 : f.sign;
    for (int64_t k = 0; k < f.rank && f.rank == n; k++) det *= f.lu[k * n + k];
    ig_store_f64(dtype, y, b, det);
  }
}

/* Column `of` of adj(U) inv(L) times `det` into f->column; `det` is the product of the pivots that are
 * not 0. */
static void adjugate_column(const factors *f, int64_t of, double det) {
  int64_t n = f->n;
  double *v = f->column;
  for (int64_t i = 0; i < n; i++) { /* forwards: L v = unit vector */
    v[i] = i == of;
    for (int64_t k = of; k < i; k++) v[i] -= f->lu[i * n + k] * v[k];
  }
  int64_t last = n;
  if (f->rank == n - 1) { /* the last unit row picks v[n - 1]; U z = 0 with z[n - 1] = 1 */
    double scale = v[n - 1];
    for (int64_t i = 0; i < n - 1; i++) v[i] = -scale * f->lu[i * n + n - 1];
    last = n - 1;
  }
  for (int64_t i = last - 1; i >= 0; i--) { /* backwards */
    for (int64_t k = i + 1; k < last; k++) v[i] -= f->lu[i * n + k] * v[k];
    v[i] /= f->lu[i * n + i];
  }
  for (int64_t i = 0; i < n; i++) v[i] *= det;
}

void ig_cpu_det_grad(ig_dtype dtype, int64_t batches, int64_t n, const void *dy, const void *x,
                     void *dx, void *workspace) {
  factors f = factors_at(n, workspace);
  for (int64_t b = 0; b < batches; b++) {
    factorise(&f, dtype, x, b, true);
    double det = f.sign * ig_load_f64(dtype, dy, b);
    for (int64_t k = 0; k < f.rank; k++) det *= f.lu[k * n + k];
    if (f.rank < n - 1) det = 0;
    for (int64_t of = 0; of < n; of++) {
      if (f.rank >= n - 1) adjugate_column(&f, of, det);
      for (int64_t i = 0; i < n; i++) { /* cofactors are the adjugate transposed */
        int64_t at = b * n * n + f.row_of[of] * n + f.column_of[i];
        ig_store_f64(dtype, dx, at, f.rank < n - 1 ? 0 : f.column[i]);
      }
    }
  }
}
