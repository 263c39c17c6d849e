/* Reductions. Memory is read in rows along the innermost dimension. Where that dimension is reduced,
 * each row gives a number (sum over classes, over pixels); where it is kept, rows are added to each
 * other (bias gradients). Either way the rows of one result are cut into blocks, a block is a task,
 * and the blocks' partial results are combined in order. */
#include "kernels/reduce.h"

#include <math.h>
#include <string.h>

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

static float join(ig_reduce kind, float a, float b) {
  return kind == IG_REDUCE_MAX ? (a > b ? a : b) : a + b;
}

static float reduce_row(ig_reduce kind, ig_dtype dtype, const void *x, int64_t at, int64_t n) {
  float total = kind == IG_REDUCE_MAX ? -INFINITY : 0, buffer[PIECE];
  for (int64_t i = 0; i < n; i += PIECE) {
    int64_t m = IG_MIN(PIECE, n - i);
    const float *piece = as_floats(dtype, x, at + i, m, buffer);
    total = join(kind, total, kind == IG_REDUCE_MAX ? max_piece(piece, m) : ig_sum_f32(piece, m));
  }
  return total;
}

static void join_row(ig_reduce kind, float *to, const float *row, int64_t n) {
  if (kind == IG_REDUCE_MAX) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) to[i] = row[i] > to[i] ? row[i] : to[i];
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
  float total = j->kind == IG_REDUCE_MAX ? -INFINITY : 0;
  for (int64_t s = first; s < last; s++) {
    float row = reduce_row(j->kind, j->dtype, j->x, base + offset_of(j->r, true, s), n);
    total = join(j->kind, total, row);
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
  memcpy(to, row, (size_t)n * sizeof *to);
  int64_t s = first + 1;
  for (; j->dtype == IG_F32 && j->kind != IG_REDUCE_MAX && s + 4 <= last; s += 4) {
    const float *x = (const float *)j->x + base;
    add_four_rows(to, x + offset_of(j->r, true, s), x + offset_of(j->r, true, s + 1),
                  x + offset_of(j->r, true, s + 2), x + offset_of(j->r, true, s + 3), n);
  }
  for (; s < last; s++) {
    row = as_floats(j->dtype, j->x, base + offset_of(j->r, true, s), n, buffer);
    join_row(j->kind, to, row, n);
  }
}

/* The blocks of one result, joined in order into its first, and finished. */
static void finish(const job *j, int64_t result) {
  const layout *l = &j->l;
  float *to = j->partial + result * l->blocks * l->width;
  if (l->along && l->blocks > 1) {
    *to =
        j->kind == IG_REDUCE_MAX ? max_piece(to, l->blocks) : (float)ig_long_sum_f32(to, l->blocks);
  }
  for (int64_t b = 1; b < l->blocks && !l->along; b++)
    join_row(j->kind, to, to + b * l->width, l->width);
  if (j->kind == IG_REDUCE_MEAN) {
    float count = (float)(l->rows * (l->along ? l->length : 1));
    for (int64_t i = 0; i < l->width; i++) to[i] /= count;
  }
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
  return kind == IG_REDUCE_SUM ? 0 : kind == IG_REDUCE_MEAN ? NAN : -INFINITY;
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

static int64_t load_int(ig_dtype dtype, const void *data, int64_t i) {
  return dtype == IG_I64 ? ((const int64_t *)data)[i] : (int64_t)ig_load_f64(dtype, data, i);
}

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

void ig_cpu_reduce_reference(ig_reduce kind, ig_dtype dtype, const ig_reduction *r, const void *x,
                             void *y) {
  int64_t kept = count_of(r, true), all = count_of(r, false), each = kept ? all / kept : 0;
  for (int64_t i = 0; i < kept; i++) {
    int64_t base = element_of(r, false, i), whole = kind == IG_REDUCE_MAX ? INT64_MIN : 0;
    double real = kind == IG_REDUCE_MAX ? -INFINITY : 0;
    for (int64_t k = 0; k < each; k++) {
      int64_t at = base + element_of(r, true, k);
      if (ig_dtype_is_float(dtype)) {
        double v = ig_load_f64(dtype, x, at);
        real = kind == IG_REDUCE_MAX ? fmax(real, v) : real + v;
      } else {
        int64_t v = load_int(dtype, x, at);
        whole = kind == IG_REDUCE_MAX ? IG_MAX(whole, v) : (int64_t)((uint64_t)whole + (uint64_t)v);
      }
    }
    if (ig_dtype_is_float(dtype)) {
      ig_store_f64(dtype, y, i, kind == IG_REDUCE_MEAN ? real / (double)each : real);
    } else {
      if (kind == IG_REDUCE_MEAN) whole = each ? whole / each : 0;
      ig_convert(IG_I64, &whole, dtype, (char *)y + i * (int64_t)ig_dtype_size(dtype), 1);
    }
  }
}
