/* Reductions. Memory is read in rows along the innermost dimension. Where that dimension is reduced,
 * each row gives a number (sum over classes, over pixels); where it is kept, rows are added to each
 * other (bias gradients). Either way the rows of one result are cut into blocks, a block is a task,
 * and the blocks' partial results are combined in order. */
#include "kernels/reduce.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/number.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums.h"

#define PIECE 4096       /* elements converted or summed at a time; fits the first-level cache */
#define BLOCK_WORK 16384 /* elements of a task, at least, where a result is cut */
#define BLOCK_MOST 64    /* blocks of a result whose rows are added to each other */
#define TILE 512         /* columns of a task where rows are added to each other */
#define BLOCK_ROWS 512   /* rows added up in one go where there are tiles enough to share */

/* How the work is cut: a function of the sizes alone. */
typedef struct layout {
  int outer_rank;
  int64_t length;  /* of a row, the innermost dimension */
  bool along;      /* the rows themselves are reduced */
  int64_t results; /* combinations of kept outer dimensions */
  int64_t rows;    /* rows reduced into one result */
  int64_t rows_a_block;
  int64_t row_pieces; /* parts of a row: blocks when along, tiles of results otherwise */
  int64_t piece;      /* length of such a part */
  int64_t blocks;     /* partial results for each result */
  int64_t width;      /* numbers in a result: 1 when along, else length */
} layout;

static layout lay_out(const ig_reduction *r) {
  layout l = {.outer_rank = r->rank - 1, .length = 1, .along = true, .results = 1, .rows = 1};
  if (r->rank) {
    l.length = r->dims[r->rank - 1];
    l.along = r->reduced[r->rank - 1];
  } else {
    l.outer_rank = 0;
  }
  for (int d = 0; d < l.outer_rank; d++) *(r->reduced[d] ? &l.rows : &l.results) *= r->dims[d];
  if (l.along) {
    l.width = 1;
    l.piece = BLOCK_WORK;
    l.row_pieces = IG_MAX(1, (l.length + l.piece - 1) / l.piece);
    l.rows_a_block = IG_MAX(1, BLOCK_WORK / IG_MAX(1, l.length));
    l.blocks = l.row_pieces * ((l.rows + l.rows_a_block - 1) / l.rows_a_block);
  } else {
    l.width = l.length;
    l.piece = TILE;
    l.row_pieces = (l.length + l.piece - 1) / l.piece;
    int64_t least = IG_MAX(16, BLOCK_WORK / IG_MAX(1, l.length));
    if (l.row_pieces >= 4) least = BLOCK_ROWS; /* no partial results to join afterwards */
    l.rows_a_block = IG_MAX(least, (l.rows + BLOCK_MOST - 1) / BLOCK_MOST);
    l.blocks = (l.rows + l.rows_a_block - 1) / l.rows_a_block;
  }
  return l;
}

/* Element at which the index-th combination of the reduced (or kept) outer dimensions starts. */
static int64_t offset_of(const ig_reduction *r, bool reduced, int64_t index) {
  int64_t offset = 0, stride = r->rank ? r->dims[r->rank - 1] : 1;
  for (int d = r->rank - 2; d >= 0; d--) {
    if (r->reduced[d] == reduced) {
      offset += index % r->dims[d] * stride;
      index /= r->dims[d];
    }
    stride *= r->dims[d];
  }
  return offset;
}

/* --- one row --------------------------------------------------------------------------------- */

static float max_piece(const float *x, int64_t n) {
  float most = -INFINITY;
#pragma omp simd reduction(max : most)
  for (int64_t i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
  return most;
}

/* n <= PIECE elements as floats: where they are, or converted into `buffer`. */
static const float *as_floats(ig_dtype dtype, const void *x, int64_t at, int64_t n, float *buffer) {
  if (dtype == IG_F32) return (const float *)x + at;
  ig_convert(dtype, (const char *)x + at * (int64_t)ig_dtype_size(dtype), IG_F32, buffer, n);
  return buffer;
}

/* How partial results are joined. */
static ig_reduce join_of(ig_reduce kind) {
  return kind == IG_REDUCE_MAX || kind == IG_REDUCE_MIN || kind == IG_REDUCE_PROD ? kind
                                                                                  : IG_REDUCE_SUM;
}

static float neutral(ig_reduce join) {
  return join == IG_REDUCE_MAX    ? -INFINITY
         : join == IG_REDUCE_MIN  ? INFINITY
         : join == IG_REDUCE_PROD ? 1
                                  : 0;
}

static float min_piece(const float *x, int64_t n) {
  float least = INFINITY;
#pragma omp simd reduction(min : least)
  for (int64_t i = 0; i < n; i++) least = x[i] < least ? x[i] : least;
  return least;
}

static float product_piece(const float *x, int64_t n) {
  float product = 1;
#pragma omp simd reduction(* : product)
  for (int64_t i = 0; i < n; i++) product *= x[i];
  return product;
}

static float join_piece(ig_reduce join, const float *x, int64_t n) {
  switch (join) {
  case IG_REDUCE_MAX: return max_piece(x, n);
  case IG_REDUCE_MIN: return min_piece(x, n);
  case IG_REDUCE_PROD: return product_piece(x, n);
  default: return ig_sum_f32(x, n);
  }
}

static float join_two(ig_reduce join, float a, float b) {
  switch (join) {
  case IG_REDUCE_MAX: return a > b ? a : b;
  case IG_REDUCE_MIN: return a < b ? a : b;
  case IG_REDUCE_PROD: return a * b;
  default: return a + b;
  }
}

/* What is joined: the elements themselves, or |x| or x^2 of them in `buffer`. */
static const float *mapped(ig_reduce kind, const float *x, int64_t n, float *buffer) {
  if (kind == IG_REDUCE_L1) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) buffer[i] = fabsf(x[i]);
    return buffer;
  }
  if (kind == IG_REDUCE_SUM_SQUARE || kind == IG_REDUCE_L2) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) buffer[i] = x[i] * x[i];
    return buffer;
  }
  return x;
}

static float reduce_row(ig_reduce kind, ig_dtype dtype, const void *x, int64_t at, int64_t n) {
  ig_reduce join = join_of(kind);
  float total = neutral(join), buffer[PIECE];
  for (int64_t i = 0; i < n; i += PIECE) {
    int64_t m = IG_MIN(PIECE, n - i);
    const float *piece = mapped(kind, as_floats(dtype, x, at + i, m, buffer), m, buffer);
    total = join_two(join, total, join_piece(join, piece, m));
  }
  return total;
}

static void join_row(ig_reduce join, float *to, const float *row, int64_t n) {
  if (join == IG_REDUCE_MAX) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] = row[i] > to[i] ? row[i] : to[i];
  } else if (join == IG_REDUCE_MIN) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] = row[i] < to[i] ? row[i] : to[i];
  } else if (join == IG_REDUCE_PROD) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] *= row[i];
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] += row[i];
  }
}

/* Four rows of f32 at once, so that `to` is read and written a quarter as often. */
static void add_four_rows(float *to, const float *a, const float *b, const float *c, const float *d,
                          int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) to[i] += (a[i] + b[i]) + (c[i] + d[i]);
}

/* --- one task -------------------------------------------------------------------------------- */

typedef struct job {
  ig_reduce kind;
  ig_dtype dtype;
  const ig_reduction *r;
  layout l;
  const void *x;
  float *partial; /* [results][blocks][width] */
} job;

/* Rows [first, last) of a result, or a part of one row, to one number. */
static void along_task(const job *j, int64_t result, int64_t block) {
  const layout *l = &j->l;
  int64_t row_block = block / l->row_pieces, start = block % l->row_pieces * l->piece;
  int64_t first = row_block * l->rows_a_block, last = IG_MIN(first + l->rows_a_block, l->rows);
  int64_t base = offset_of(j->r, false, result) + start, n = IG_MIN(l->piece, l->length - start);
  ig_reduce join = join_of(j->kind);
  float total = neutral(join);
  for (int64_t s = first; s < last; s++) {
    float row = reduce_row(j->kind, j->dtype, j->x, base + offset_of(j->r, true, s), n);
    total = join_two(join, total, row);
  }
  j->partial[result * l->blocks + block] = total;
}

/* Rows [first, last) of a result, one tile of columns, added up. */
static void across_task(const job *j, int64_t result, int64_t block, int64_t tile) {
  const layout *l = &j->l;
  int64_t start = tile * l->piece, n = IG_MIN(l->piece, l->length - start);
  int64_t first = block * l->rows_a_block, last = IG_MIN(first + l->rows_a_block, l->rows);
  int64_t base = offset_of(j->r, false, result) + start;
  float *to = j->partial + (result * l->blocks + block) * l->width + start, buffer[PIECE];
  const float *row = as_floats(j->dtype, j->x, base + offset_of(j->r, true, first), n, buffer);
  ig_reduce join = join_of(j->kind);
  bool plain = join == IG_REDUCE_SUM && mapped(j->kind, row, 0, buffer) == row;
  memcpy(to, mapped(j->kind, row, n, buffer), (size_t)n * sizeof *to);
  int64_t s = first + 1;
  for (; j->dtype == IG_F32 && plain && s + 4 <= last; s += 4) {
    const float *x = (const float *)j->x + base;
    add_four_rows(to, x + offset_of(j->r, true, s), x + offset_of(j->r, true, s + 1),
                  x + offset_of(j->r, true, s + 2), x + offset_of(j->r, true, s + 3), n);
  }
  for (; s < last; s++) {
    row = as_floats(j->dtype, j->x, base + offset_of(j->r, true, s), n, buffer);
    join_row(join, to, mapped(j->kind, row, n, buffer), n);
  }
}

/* The blocks of one result, joined in order into its first, and finished. */
static void finish(const job *j, int64_t result) {
  const layout *l = &j->l;
  float *to = j->partial + result * l->blocks * l->width;
  ig_reduce join = join_of(j->kind);
  if (l->along && l->blocks > 1) {
    *to = join == IG_REDUCE_SUM ? (float)ig_long_sum_f32(to, l->blocks)
                                : join_piece(join, to, l->blocks);
  }
  for (int64_t b = 1; b < l->blocks && !l->along; b++)
    join_row(join, to, to + b * l->width, l->width);
  if (j->kind == IG_REDUCE_MEAN) {
    float count = (float)(l->rows * (l->along ? l->length : 1));
    for (int64_t i = 0; i < l->width; i++) to[i] /= count;
  }
  for (int64_t i = 0; i < l->width && j->kind == IG_REDUCE_L2; i++) to[i] = sqrtf(to[i]);
  for (int64_t i = 0; i < l->width && j->kind == IG_REDUCE_LOG_SUM; i++) to[i] = logf(to[i]);
}

/* --- launchers ------------------------------------------------------------------------------- */

static bool writes_directly(ig_dtype dtype, const layout *l) {
  return dtype == IG_F32 && l->blocks == 1;
}

size_t ig_cpu_reduce_workspace(ig_dtype dtype, const ig_reduction *r) {
  layout l = lay_out(r);
  if (writes_directly(dtype, &l)) return 0;
  return (size_t)(l.results * l.blocks * l.width) * sizeof(float);
}

static int64_t count_of(const ig_reduction *r, bool kept_only) {
  int64_t count = 1;
  for (int d = 0; d < r->rank; d++) count *= kept_only && r->reduced[d] ? 1 : r->dims[d];
  return count;
}

static double empty_result(ig_reduce kind) {
  switch (kind) {
  case IG_REDUCE_MEAN: return NAN;
  case IG_REDUCE_PROD: return 1;
  case IG_REDUCE_MIN: return INFINITY;
  case IG_REDUCE_MAX:
  case IG_REDUCE_LOG_SUM:
  case IG_REDUCE_LOG_SUM_EXP: return -INFINITY;
  default: return 0;
  }
}

void ig_cpu_reduce_vector(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x,
                          void *y, void *workspace) {
  int64_t total = count_of(r, false), kept = count_of(r, true);
  if (!total) {
    for (int64_t i = 0; i < kept; i++) ig_store_f64(dtype, y, i, empty_result(kind));
    return;
  }
  job j = {.kind = kind, .dtype = dtype, .r = r, .l = lay_out(r), .x = x};
  const layout *l = &j.l;
  bool direct = writes_directly(dtype, l);
  j.partial = direct ? y : workspace;
  int64_t tiles = l->along ? 1 : l->row_pieces, tasks = l->results * l->blocks * tiles;
#pragma omp parallel if (total >= IG_PARALLEL_FROM && tasks > 1)
  {
#pragma omp for schedule(static)
    for (int64_t t = 0; t < tasks; t++) {
      int64_t result = t / tiles / l->blocks, block = t / tiles % l->blocks;
      if (l->along)
        along_task(&j, result, block);
      else
        across_task(&j, result, block, t % tiles);
    }
#pragma omp for schedule(static)
    for (int64_t result = 0; result < l->results; result++) {
      finish(&j, result);
      if (!direct)
        ig_convert(IG_F32, j.partial + result * l->blocks * l->width, dtype,
                   (char *)y + result * l->width * (int64_t)ig_dtype_size(dtype), l->width);
    }
  }
}

/* --- reference ------------------------------------------------------------------------------- */

/* Element of the index-th combination of the reduced (or kept) dimensions, all of them. */
static int64_t element_of(const ig_reduction *r, bool reduced, int64_t index) {
  int64_t offset = 0, stride = 1;
  for (int d = r->rank - 1; d >= 0; d--) {
    if (r->reduced[d] == reduced) {
      offset += index % r->dims[d] * stride;
      index /= r->dims[d];
    }
    stride *= r->dims[d];
  }
  return offset;
}

static double real_of(ig_kind kind, ig_number x) {
  return kind == IG_KIND_REAL     ? x.real
         : kind == IG_KIND_SIGNED ? (double)x.whole
                                  : (double)x.natural;
}

/* Of a running total and one more element. */
static ig_number reduce_two(ig_reduce kind, ig_kind class, ig_number total, ig_number x) {
  bool negative = (class == IG_KIND_SIGNED && x.whole < 0);
  switch (kind) {
  case IG_REDUCE_MAX:
    if (class == IG_KIND_REAL) return (ig_number){.real = fmax(total.real, x.real)};
    return ig_number_most(class, total, x);
  case IG_REDUCE_MIN:
    if (class == IG_KIND_REAL) return (ig_number){.real = fmin(total.real, x.real)};
    return ig_number_least(class, total, x);
  case IG_REDUCE_PROD: return ig_number_multiply(class, total, x);
  case IG_REDUCE_L1:
    if (class == IG_KIND_REAL) x.real = fabs(x.real);
    if (negative) x.natural = -x.natural;
    return ig_number_add(class, total, x);
  case IG_REDUCE_SUM_SQUARE:
  case IG_REDUCE_L2: return ig_number_add(class, total, ig_number_multiply(class, x, x));
  default: return ig_number_add(class, total, x);
  }
}

static void store_result(ig_reduce kind, ig_dtype dtype, ig_kind class, ig_number total,
                         int64_t each, void *y, int64_t i) {
  if (kind == IG_REDUCE_MEAN) {
    if (class == IG_KIND_REAL) total.real /= (double)each;
    if (class == IG_KIND_SIGNED) total.whole /= each;
    if (class == IG_KIND_UNSIGNED) total.natural /= (uint64_t)each;
  }
  if (kind == IG_REDUCE_L2) {
    ig_store_f64(dtype, y, i, sqrt(real_of(class, total)));
  } else if (kind == IG_REDUCE_LOG_SUM) {
    ig_store_f64(dtype, y, i, log(real_of(class, total)));
  } else {
    ig_store_number(dtype, y, i, total);
  }
}

/* log sum e^x = most + log sum e^(x - most). */
static double log_sum_exp(ig_dtype dtype, const ig_reduction *r, const void *x, int64_t base,
                          int64_t each) {
  ig_kind class = ig_kind_of(dtype);
  double most = -INFINITY, total = 0;
  for (int64_t k = 0; k < each; k++)
    most = fmax(most, real_of(class, ig_load_number(dtype, x, base + element_of(r, true, k))));
  if (isinf(most)) return most;
  for (int64_t k = 0; k < each; k++)
    total += exp(real_of(class, ig_load_number(dtype, x, base + element_of(r, true, k))) - most);
  return most + log(total);
}

void ig_cpu_reduce_reference(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x,
                             void *y) {
  int64_t kept = count_of(r, true), all = count_of(r, false), each = kept ? all / kept : 0;
  ig_kind class = ig_kind_of(dtype);
  IG_PARALLEL_FOR(kept > 1 && all > IG_PARALLEL_FROM)
  for (int64_t i = 0; i < kept; i++) {
    int64_t base = element_of(r, false, i);
    if (each == 0) {
      bool none = dtype == IG_BOOL && kind == IG_REDUCE_MAX;
      ig_store_f64(dtype, y, i, none ? 0 : empty_result(kind));
      continue;
    }
    if (kind == IG_REDUCE_LOG_SUM_EXP) {
      ig_store_f64(dtype, y, i, log_sum_exp(dtype, r, x, base, each));
      continue;
    }
    bool extreme = kind == IG_REDUCE_MAX || kind == IG_REDUCE_MIN;
    ig_number total = extreme ? ig_load_number(dtype, x, base + element_of(r, true, 0))
                              : ig_number_of(class, kind == IG_REDUCE_PROD);
    for (int64_t k = 0; k < each; k++) {
      ig_number element = ig_load_number(dtype, x, base + element_of(r, true, k));
      total = reduce_two(kind, class, total, element);
    }
    store_result(kind, dtype, class, total, each, y, i);
  }
}
