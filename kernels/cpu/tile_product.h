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

/* --- transposition ---------------------------------------------------------------------------- */

#if IG_VECTOR == 16

/* One step of the butterfly that transposes 16 rows of 16: of rows `step` apart, the upper one's right
 * half of every 2 * step columns changes places with the lower one's left half. */
#define IG_SWAP_HALVES(rows, step, low, high)                                                      \
  _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++) {                                          \
    if (i & (step)) continue;                                                                      \
    ig_vec upper = (rows)[i], lower = (rows)[i + (step)];                                          \
    (rows)[i] = __builtin_shufflevector(upper, lower, low);                                        \
    (rows)[i + (step)] = __builtin_shufflevector(upper, lower, high);                              \
  }
#define IG_PICK(...) __VA_ARGS__

/* to[d * to_row + i] = factor * x[i * row + d] for i, d < 16: 64 shuffles instead of 256 single
 * stores. */
static inline void ig_transpose_block(const float *x, int64_t row, float factor, float *to,
                                      int64_t to_row) {
  ig_vec r[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) r[i] = factor * *(const ig_vec *)(x + i * row);
  IG_SWAP_HALVES(r, 8, IG_PICK(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
                 IG_PICK(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
  IG_SWAP_HALVES(r, 4, IG_PICK(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
                 IG_PICK(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
  IG_SWAP_HALVES(r, 2, IG_PICK(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
                 IG_PICK(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
  IG_SWAP_HALVES(r, 1, IG_PICK(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30),
                 IG_PICK(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) *(ig_vec *)(to + i * to_row) = r[i];
}

#endif

/* to[d * to_row + i] = factor * x[i * row + d] for i < rows, d < columns. */
static inline void ig_tile_transpose(int64_t rows, int64_t columns, const float *x, int64_t row,
                                     float factor, float *restrict to, int64_t to_row) {
  int64_t done = 0;
#if IG_VECTOR == 16
  if (rows % 16 == 0) {
    for (; done + 16 <= columns; done += 16) {
      for (int64_t i = 0; i < rows; i += 16)
        ig_transpose_block(x + i * row + done, row, factor, to + done * to_row + i, to_row);
    }
  }
#endif
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t d = done; d < columns; d++) to[d * to_row + i] = factor * x[i * row + d];
  }
}

#endif
