/* Determinants by expansion along the first row, for small matrices. */
#ifndef IG_TESTS_MINORS_H
#define IG_TESTS_MINORS_H

#include "case_tools.h"

/* Of the matrix x [n, n] without the rows and columns whose bits are set. */
static inline double minor_of(const double *x, int n, unsigned rows, unsigned columns) {
  int row = 0, sign = 1;
  while (row < n && (rows >> row & 1)) row++;
  if (row == n) return 1;
  double sum = 0;
  for (int c = 0; c < n; c++) {
    if (columns >> c & 1) continue;
    sum += sign * x[row * n + c] * minor_of(x, n, rows | 1u << row, columns | 1u << c);
    sign = -sign;
  }
  return sum;
}

#endif
