/* Products of small matrices that lie in the first cache level, for kernels that compute one tile at
 * a time. Vector types of the compiler, so that the same lines serve every processor. */
#ifndef IG_KERNELS_CPU_TILE_PRODUCT_H
#define IG_KERNELS_CPU_TILE_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

/* Floats of a vector; rows of c that a step keeps in registers, two vectors each. */
#ifdef __AVX512F__
#define IG_VECTOR 16
#define IG_TILE_ROWS 8
#else
#define IG_VECTOR 8
#define IG_TILE_ROWS 4
#endif
#define IG_TILE_COLUMNS (2 * IG_VECTOR)

typedef float ig_vec __attribute__((vector_size(4 * IG_VECTOR), aligned(4), may_alias));

/* c[i][j] = sum over k of a[i * a_row + k * a_col] * b[k * b_row + j], plus the old c with `add`, for
 * `rows` (constant, at most IG_TILE_ROWS) and `vectors` (1 or 2) of columns. */
static inline __attribute__((always_inline)) void
ig_tile_block(int rows, int vectors, int64_t depth, const float *a, int64_t a_row, int64_t a_col,
              const float *b, int64_t b_row, float *c, int64_t c_row, bool add) {
  ig_vec sum[IG_TILE_ROWS][2];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      sum[i][v] = add ? *(const ig_vec *)(c + i * c_row + v * IG_VECTOR) : (ig_vec){0};
    }
  }
  for (int64_t k = 0; k < depth; k++) {
    ig_vec x[2];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) x[v] = *(const ig_vec *)(b + k * b_row + v * IG_VECTOR);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      float factor = a[i * a_row + k * a_col];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) sum[i][v] += factor * x[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) *(ig_vec *)(c + i * c_row + v * IG_VECTOR) = sum[i][v];
  }
}

/* The same for any `rows`, and `columns` a multiple of IG_VECTOR. */
static inline void ig_tile_product(int64_t rows, int64_t columns, int64_t depth, const float *a,
                                   int64_t a_row, int64_t a_col, const float *b, int64_t b_row,
                                   float *c, int64_t c_row, bool add) {
#define IG_TILE(rows_, vectors_)                                                                   \
  ig_tile_block(rows_, vectors_, depth, a + i * a_row, a_row, a_col, b + j, b_row,                 \
                c + i * c_row + j, c_row, add)
  for (int64_t j = 0; j < columns; j += IG_TILE_COLUMNS) {
    bool two = columns - j > IG_VECTOR;
    int64_t i = 0;
    for (; i + IG_TILE_ROWS <= rows; i += IG_TILE_ROWS) {
      if (two)
        IG_TILE(IG_TILE_ROWS, 2);
      else
        IG_TILE(IG_TILE_ROWS, 1);
    }
    for (; i < rows; i++) {
      if (two)
        IG_TILE(1, 2);
      else
        IG_TILE(1, 1);
    }
  }
#undef IG_TILE
}

#endif
