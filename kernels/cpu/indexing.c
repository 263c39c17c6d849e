/* Gathering and scattering of single elements and of slices. Scattering runs on one thread, in the order
 * of the indices: several may name the same target. */
#include "kernels/indexing.h"

#include <string.h>

#include "kernels/cpu/number.h"
#include "kernels/cpu/parallel.h"

static inline int64_t index_at(const void *indices, bool wide, int64_t i, int64_t rows) {
  int64_t row = wide ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
  return row < 0 ? row + rows : row;
}

/* --- elements -------------------------------------------------------------------------------- */

/* Lines are the last dimension of the indices; a scalar is a line of one. */
static int64_t line_length(const ig_elements *e) {
  return e->rank ? e->dims[e->rank - 1] : 1;
}

static int64_t line_count(const ig_elements *e) {
  int64_t count = 1;
  for (int d = 0; d < e->rank - 1; d++) count *= e->dims[d];
  return count;
}

/* Element of data at which line `line` starts, the axis left out. */
static int64_t line_start(const ig_elements *e, int64_t line) {
  int64_t offset = 0;
  for (int d = e->rank - 2; d >= 0; d--) {
    if (d != e->axis) offset += line % e->dims[d] * e->strides[d];
    line /= e->dims[d];
  }
  return offset;
}

/* Element of data that index `at`, entry i of a line that starts at `start`, names. */
static inline int64_t element_of(const ig_elements *e, const void *indices, bool wide, int64_t at,
                                 int64_t start, int64_t i) {
  int64_t place = index_at(indices, wide, at, e->rows) * e->strides[e->axis];
  return start + place + (e->axis == e->rank - 1 ? 0 : i);
}

void ig_cpu_gather_elements(size_t size, const ig_elements *e, const void *data,
                            const void *indices, bool wide, void *target) {
  int64_t n = line_length(e), lines = line_count(e);
  IG_PARALLEL_FOR(lines > 1 && ig_worth_team(lines * n * (int64_t)size))
  for (int64_t line = 0; line < lines; line++) {
    int64_t start = line_start(e, line);
    for (int64_t i = 0; i < n; i++) {
      int64_t at = line * n + i, from = element_of(e, indices, wide, at, start, i);
      if (size == 4) {
        ((uint32_t *)target)[at] = ((const uint32_t *)data)[from];
      } else {
        memcpy((char *)target + (size_t)at * size, (const char *)data + (size_t)from * size, size);
      }
    }
  }
}

static ig_number joined(ig_scatter how, ig_kind kind, ig_number a, ig_number b) {
  switch (how) {
  case IG_SCATTER_ADD: return ig_number_add(kind, a, b);
  case IG_SCATTER_MUL: return ig_number_multiply(kind, a, b);
  case IG_SCATTER_MIN: return ig_number_least(kind, a, b);
  case IG_SCATTER_MAX: return ig_number_most(kind, a, b);
  default: return b;
  }
}

/* Joins n updates from element `from` on with data from element `to` on. */
static void join_line(ig_scatter how, ig_dtype dtype, const void *updates, int64_t from, void *data,
                      int64_t to, int64_t n) {
  size_t size = ig_dtype_size(dtype);
  if (how == IG_SCATTER_SET) {
    memcpy((char *)data + (size_t)to * size, (const char *)updates + (size_t)from * size,
           (size_t)n * size);
  } else if (how == IG_SCATTER_ADD && dtype == IG_F32) {
    for (int64_t i = 0; i < n; i++) ((float *)data)[to + i] += ((const float *)updates)[from + i];
  } else {
    ig_kind kind = ig_kind_of(dtype);
    for (int64_t i = 0; i < n; i++) {
      ig_number old = ig_load_number(dtype, data, to + i);
      ig_number update = ig_load_number(dtype, updates, from + i);
      ig_store_number(dtype, data, to + i, joined(how, kind, old, update));
    }
  }
}

void ig_cpu_scatter_elements(ig_scatter how, ig_dtype dtype, const ig_elements *e,
                             const void *indices, bool wide, const void *updates, void *data) {
  int64_t n = line_length(e), lines = line_count(e);
  for (int64_t line = 0; line < lines; line++) {
    int64_t start = line_start(e, line);
    for (int64_t i = 0; i < n; i++) {
      int64_t at = line * n + i;
      join_line(how, dtype, updates, at, data, element_of(e, indices, wide, at, start, i), 1);
    }
  }
}

/* --- slices ---------------------------------------------------------------------------------- */

int64_t ig_cpu_find_outside_slices(const ig_slices *s, const int64_t *indices) {
  for (int64_t i = 0; i < s->batches * s->count; i++) {
    for (int d = 0; d < s->depth; d++) {
      int64_t index = indices[i * s->depth + d];
      if (index < -s->dims[d] || index >= s->dims[d]) return i * s->depth + d;
    }
  }
  return -1;
}

/* Element of data at which the slice that tuple `i` of all batches names starts. */
static int64_t slice_of(const ig_slices *s, const int64_t *indices, int64_t i) {
  int64_t offset = i / s->count * s->batch_stride;
  for (int d = 0; d < s->depth; d++)
    offset += index_at(indices, true, i * s->depth + d, s->dims[d]) * s->strides[d];
  return offset;
}

void ig_cpu_gather_slices(size_t size, const ig_slices *s, const void *data, const int64_t *indices,
                          void *target) {
  int64_t n = s->batches * s->count;
  size_t bytes = (size_t)s->inner * size;
  IG_PARALLEL_FOR(n > 1 && ig_worth_team(n * (int64_t)bytes))
  for (int64_t i = 0; i < n; i++) {
    const char *from = (const char *)data + (size_t)slice_of(s, indices, i) * size;
    memcpy((char *)target + (size_t)i * bytes, from, bytes);
  }
}

void ig_cpu_scatter_slices(ig_scatter how, ig_dtype dtype, const ig_slices *s,
                           const int64_t *indices, const void *updates, void *data) {
  for (int64_t i = 0; i < s->batches * s->count; i++)
    join_line(how, dtype, updates, i * s->inner, data, slice_of(s, indices, i), s->inner);
}
