/* Gather copies rows; its gradient adds rows that may name the same target. The gradient sorts the
 * positions by row first, so that each row is written once, summed by one thread in the order of
 * positions, without atomics. */
#include "kernels/gather.h"

#include <string.h>

#include "kernels/cpu/parallel.h"

static inline int64_t row_of(const void *indices, bool wide, int64_t i, int64_t rows) {
  int64_t row = wide ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
  return row < 0 ? row + rows : row;
}

int64_t ig_cpu_find_outside(const void *indices, bool wide, int64_t count, int64_t rows) {
  for (int64_t i = 0; i < count; i++) {
    int64_t row = row_of(indices, wide, i, rows);
    if (row < 0 || row >= rows) return i;
  }
  return -1;
}

/* A word of 16 bytes, for texts. */
typedef struct text {
  uint64_t low, high;
} text;

static void gather_words(size_t size, const char *source, const void *indices, bool wide,
                         int64_t rows, int64_t begin, int64_t end, char *target) {
#define GATHER_WORDS(type)                                                                         \
  for (int64_t i = begin; i < end; i++)                                                            \
  ((type *)(void *)target)[i] = ((const type *)(const void *)source)[row_of(indices, wide, i, rows)]
  switch (size) {
  case 1: GATHER_WORDS(uint8_t); break;
  case 2: GATHER_WORDS(uint16_t); break;
  case 4: GATHER_WORDS(uint32_t); break;
  case 8: GATHER_WORDS(uint64_t); break;
  default: GATHER_WORDS(text);
  }
#undef GATHER_WORDS
}

void ig_cpu_gather(size_t size, int64_t outer, int64_t rows, int64_t inner, const void *source,
                   const void *indices, bool wide, int64_t count, void *target) {
  size_t bytes = (size_t)inner * size;
  int64_t parts = ig_parts(count, 1, 64);
  IG_PARALLEL_FOR(ig_worth_team(outer * count * (int64_t)bytes))
  for (int64_t unit = 0; unit < outer * parts; unit++) {
    int64_t o = unit / parts, part = unit % parts;
    int64_t begin = ig_part_begin(count, parts, part);
    int64_t end = ig_part_begin(count, parts, part + 1);
    const char *from = (const char *)source + (size_t)(o * rows) * bytes;
    char *to = (char *)target + (size_t)(o * count) * bytes;
    if (inner == 1) {
      gather_words(size, from, indices, wide, rows, begin, end, to);
      continue;
    }
    for (int64_t i = begin; i < end; i++)
      memcpy(to + (size_t)i * bytes, from + (size_t)row_of(indices, wide, i, rows) * bytes, bytes);
  }
}

/* Counting sort of positions by row, stable: start[r] .. start[r + 1] are row r's in `order`. */
static void sort_by_row(const void *indices, bool wide, int64_t count, int64_t rows, int64_t *start,
                        int64_t *order) {
  memset(start, 0, (size_t)(rows + 1) * sizeof *start);
  for (int64_t i = 0; i < count; i++) start[row_of(indices, wide, i, rows) + 1]++;
  for (int64_t r = 0; r < rows; r++) start[r + 1] += start[r];
  for (int64_t i = 0; i < count; i++) order[start[row_of(indices, wide, i, rows)]++] = i;
  for (int64_t r = rows; r > 0; r--) start[r] = start[r - 1];
  start[0] = 0;
}

/* Columns summed at a time: 2 KiB of doubles stay in the first cache level beside the rows read. */
#define SPAN 256

/* target[0..n) = base + the sum of rows order[0..n_order) of dy, from column `at`. */
static void sum_span_f32(float *target, const float *base, const float *dy, int64_t inner,
                         const int64_t *order, int64_t n_order, int64_t n) {
  float sum[SPAN];
  for (int64_t k = 0; k < n; k++) sum[k] = base ? base[k] : 0;
  for (int64_t i = 0; i < n_order; i++) {
    const float *row = dy + order[i] * inner;
#pragma omp simd
    for (int64_t k = 0; k < n; k++) sum[k] += row[k];
  }
  memcpy(target, sum, (size_t)n * sizeof *sum);
}

static void sum_span(ig_dtype dtype, void *target, const void *base, int64_t at, const void *dy,
                     int64_t dy_at, int64_t inner, const int64_t *order, int64_t n_order,
                     int64_t n) {
  double sum[SPAN];
  for (int64_t k = 0; k < n; k++) sum[k] = base ? ig_load_f64(dtype, base, at + k) : 0;
  for (int64_t i = 0; i < n_order; i++) {
    for (int64_t k = 0; k < n; k++) sum[k] += ig_load_f64(dtype, dy, dy_at + order[i] * inner + k);
  }
  for (int64_t k = 0; k < n; k++) ig_store_f64(dtype, target, at + k, sum[k]);
}

static void sum_row(ig_dtype dtype, void *target, const void *base, int64_t at, const void *dy,
                    int64_t dy_at, int64_t inner, const int64_t *order, int64_t n_order) {
  size_t size = ig_dtype_size(dtype);
  char *to = (char *)target + (size_t)at * size;
  if (n_order == 0 && !base) {
    memset(to, 0, (size_t)inner * size);
  } else if (n_order == 0) {
    if (base != target) memcpy(to, (const char *)base + (size_t)at * size, (size_t)inner * size);
  } else {
    for (int64_t k = 0; k < inner; k += SPAN) {
      int64_t n = inner - k < SPAN ? inner - k : SPAN;
      if (dtype == IG_F32) {
        sum_span_f32((float *)target + at + k, base ? (const float *)base + at + k : NULL,
                     (const float *)dy + dy_at + k, inner, order, n_order, n);
      } else {
        sum_span(dtype, target, base, at + k, dy, dy_at + k, inner, order, n_order, n);
      }
    }
  }
}

size_t ig_cpu_gather_grad_workspace(int64_t rows, int64_t count) {
  return ((size_t)rows + 1 + (size_t)count) * sizeof(int64_t);
}

void ig_cpu_gather_grad(ig_dtype dtype, int64_t outer, int64_t rows, int64_t inner, const void *dy,
                        const void *indices, bool wide, int64_t count, const void *base,
                        void *target, void *workspace) {
  int64_t *start = workspace, *order = start + rows + 1;
  sort_by_row(indices, wide, count, rows, start, order);
  int64_t parts = ig_parts(outer * rows, 1, 128);
  int64_t bytes = outer * (rows + count) * inner * (int64_t)ig_dtype_size(dtype);
  IG_PARALLEL_FOR(ig_worth_team(bytes))
  for (int64_t part = 0; part < parts;
       part++) { /* rows in turn: frequent ones often are neighbours */
    for (int64_t at = part; at < outer * rows; at += parts) {
      int64_t row = at % rows;
      sum_row(dtype, target, base, at * inner, dy, at / rows * count * inner, inner,
              order + start[row], start[row + 1] - start[row]);
    }
  }
}
