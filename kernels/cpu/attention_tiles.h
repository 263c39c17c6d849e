/* What the forward and the backward tiles of attention share: rows as f32 whatever their type, and
 * transposed tiles of masked scores. A tile is KEYS_TILE keys by QUERIES_TILE queries, with queries
 * side by side: the softmax then runs down the rows, in vectors of queries. */
#ifndef IG_KERNELS_CPU_ATTENTION_TILES_H
#define IG_KERNELS_CPU_ATTENTION_TILES_H

#include <math.h>
#include <string.h>

#include "engine/base/status.h"
#include "kernels/attention.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/tile_product.h"
#include "kernels/cpu/vector_math.h"

#define QUERIES_TILE 32
#define KEYS_TILE 64

/* Rounded up to whole vectors. */
static inline int64_t padded_size(int64_t size) {
  return (size + IG_VECTOR - 1) / IG_VECTOR * IG_VECTOR;
}

static inline int64_t row_offset(const ig_rows *rows, int64_t b, int64_t h, int64_t t) {
  return b * rows->batch + h * rows->head + t * rows->row;
}

static inline float element_f32(ig_dtype dtype, const void *x, int64_t at) {
  if (dtype == IG_F32) return ((const float *)x)[at];
  uint16_t bits = ((const uint16_t *)x)[at];
  return dtype == IG_BF16 ? ig_bf16_to_f32(bits) : ig_f16_to_f32(bits);
}

/* A matrix of f32 rows. */
typedef struct matrix {
  const float *data;
  int64_t row;
} matrix;

/* `n` rows from element `at` on; copied to `buffer`, padded with zeros, unless they can be read where
 * they are. */
static inline matrix read_rows(ig_dtype dtype, const void *x, int64_t at, int64_t row, int64_t n,
                               int64_t size, float *buffer) {
  int64_t padded = padded_size(size), bytes = (int64_t)ig_dtype_size(dtype);
  if (dtype == IG_F32 && size == padded) return (matrix){(const float *)x + at, row};
  for (int64_t i = 0; i < n; i++) {
    float *to = buffer + i * padded;
    ig_convert(dtype, (const char *)x + (at + i * row) * bytes, IG_F32, to, size);
    for (int64_t d = size; d < padded; d++) to[d] = 0;
  }
  return (matrix){buffer, padded};
}

/* Rows of keys (or values) [j, j + n) of entry b. Of a paged cache they are copied, since a tile may
 * span pages. */
static inline matrix read_keys(const ig_attention *a, const ig_attention_inputs *in, const void *x,
                               const ig_rows *rows, int64_t size, int64_t b, int64_t group,
                               int64_t j, int64_t n, float *buffer) {
  if (a->page_shift == 0) {
    return read_rows(a->dtype, x, row_offset(rows, b, group, j), rows->row, n, size, buffer);
  }
  int64_t page = (int64_t)1 << a->page_shift, padded = padded_size(size);
  for (int64_t done = 0, count; done < n; done += count) {
    int64_t at = (j + done) % page;
    int64_t from = row_offset(rows, in->table[b * a->pages + (j + done) / page], group, at);
    float *to = buffer + done * padded;
    count = IG_MIN(n - done, page - at);
    matrix part = read_rows(a->dtype, x, from, rows->row, count, size, to);
    for (int64_t i = 0; i < count && part.data != to; i++) {
      memcpy(to + i * padded, part.data + i * part.row, (size_t)padded * sizeof *to);
    }
  }
  return (matrix){buffer, padded};
}

/* Keys before the first query of entry b. */
static inline int64_t past_of(const ig_attention *a, const ig_attention_inputs *in, int64_t b) {
  return a->last ? in->lengths[b] - a->queries : a->past;
}

/* to[d][i] = factor * x[i][d], with zeros for the rows that a full tile has beyond `n`. */
static inline void transpose_rows(matrix x, int64_t n, int64_t size, float factor,
                                  float *restrict to) {
  if (n < QUERIES_TILE) memset(to, 0, (size_t)(size * QUERIES_TILE) * sizeof *to);
  ig_tile_transpose(n, size, x.data, x.row, factor, to, QUERIES_TILE);
}

/* Keys that any query of the tile from query `i` on may see. */
static inline int64_t visible_keys(const ig_attention *a, const ig_attention_inputs *in, int64_t b,
                                   int64_t i) {
  int64_t keys = a->mask_keys;
  int64_t last = IG_MIN(i + QUERIES_TILE, a->queries) - 1;
  if (a->causal) keys = IG_MIN(keys, last + past_of(a, in, b) + 1);
  if (in->lengths) keys = IG_MIN(keys, IG_MAX(in->lengths[b], 0));
  return IG_MAX(keys, 0);
}

static inline void add_mask(const ig_attention *a, const void *mask, int64_t b, int64_t h,
                            int64_t i0, int64_t j0, int64_t n, float *s) {
  const int64_t *stride = a->mask_strides;
  int64_t queries = IG_MIN(QUERIES_TILE, a->queries - i0);
  for (int64_t i = 0; i < queries; i++) {
    int64_t at = b * stride[0] + h * stride[1] + (i0 + i) * stride[2] + j0 * stride[3];
    for (int64_t j = 0; j < n; j++, at += stride[3]) {
      float *to = s + j * QUERIES_TILE + i;
      if (a->mask_dtype == IG_BOOL) {
        if (!((const uint8_t *)mask)[at]) *to = -INFINITY;
      } else {
        *to += element_f32(a->mask_dtype, mask, at);
      }
    }
  }
}

/* Scores of keys [j0, j0 + n) and the tile's queries: s[j][i], capped but not masked. `k` holds the
 * keys' rows, `qt` the queries transposed and scaled. */
static inline void score_tile(const ig_attention *a, int64_t n, matrix k, const float *qt,
                              float *s) {
  ig_tile_product(n, QUERIES_TILE, a->size, k.data, k.row, 1, qt, QUERIES_TILE, s, QUERIES_TILE,
                  false);
  if (a->softcap > 0) {
    float inverse = 1 / a->softcap;
    for (int64_t e = 0; e < n * QUERIES_TILE; e++) s[e] = a->softcap * ig_vtanh(s[e] * inverse);
  }
}

static inline void mask_tile(const ig_attention *a, const ig_attention_inputs *in, int64_t b,
                             int64_t h, int64_t i0, int64_t j0, int64_t n, float *s) {
  if (in->mask) add_mask(a, in->mask, b, h, i0, j0, n, s);
  if (!a->causal) return;
  int64_t past = past_of(a, in, b);
  for (int64_t j = IG_MAX(0, i0 + past + 1 - j0); j < n; j++) { /* the first query sees fewer */
    int64_t blind = IG_MIN(QUERIES_TILE, j0 + j - past - i0);
    for (int64_t i = 0; i < blind; i++) s[j * QUERIES_TILE + i] = -INFINITY;
  }
}

static inline void store_row(ig_dtype dtype, void *y, int64_t at, const float *x, int64_t size,
                             float factor) {
  for (int64_t d = 0; d < size; d++) {
    float value = x[d] * factor;
    if (dtype == IG_F32)
      ((float *)y)[at + d] = value;
    else if (dtype == IG_BF16)
      ((uint16_t *)y)[at + d] = ig_f32_to_bf16(value);
    else
      ((uint16_t *)y)[at + d] = ig_f32_to_f16(value);
  }
}

static inline int thread_index(void) {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

/* Threads for `work` multiplications: as many as the workspace has room for. */
static inline int team_size(size_t workspace_size, size_t of_one, int64_t work) {
  int most = 1;
#ifdef _OPENMP
  most = omp_get_max_threads();
#endif
  size_t room = workspace_size / of_one;
  if (work < IG_PARALLEL_FROM || room < 1) return 1;
  return room < (size_t)most ? (int)room : most;
}

#endif
