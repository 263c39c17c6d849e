/* Placing by position: triangles, one-hot rows, reversed sequences, and cumulative sums and products. */
#include <string.h>

#include "kernels/cpu/number.h"
#include "kernels/cpu/parallel.h"
#include "kernels/indexing.h"

void ig_cpu_trilu(size_t size, int64_t batches, int64_t rows, int64_t columns, bool upper,
                  int64_t k, const void *x, void *y) {
  size_t bytes = (size_t)columns * size;
  IG_PARALLEL_FOR(ig_worth_team(batches * rows * (int64_t)bytes))
  for (int64_t row = 0; row < batches * rows; row++) {
    const char *from = (const char *)x + (size_t)row * bytes;
    char *to = (char *)y + (size_t)row * bytes;
    /* The first column on the other side of the cut. */
    int64_t at = upper ? row % rows : row % rows + 1, cut;
    if (__builtin_add_overflow(at, k, &cut)) cut = columns;
    cut = cut < 0 ? 0 : cut > columns ? columns : cut;
    size_t left = (size_t)cut * size;
    if (upper) {
      memset(to, 0, left);
      memcpy(to + left, from + left, bytes - left);
    } else {
      memcpy(to, from, left);
      memset(to + left, 0, bytes - left);
    }
  }
}

/* Place of an index along `depth`; -1 for nowhere. */
static int64_t hot_place(ig_dtype dtype, const void *indices, int64_t i, int64_t depth) {
  ig_number index = ig_load_number(dtype, indices, i);
  ig_kind kind = ig_kind_of(dtype);
  if (kind == IG_KIND_UNSIGNED) return index.natural < (uint64_t)depth ? index.whole : -1;
  if (kind == IG_KIND_REAL) {
    if (!(index.real > -(double)depth - 1 && index.real < (double)depth)) return -1;
    index.whole = (int64_t)index.real;
  }
  if (index.whole < -depth || index.whole >= depth) return -1;
  return index.whole < 0 ? index.whole + depth : index.whole;
}

void ig_cpu_one_hot(size_t size, int64_t outer, int64_t depth, int64_t inner, ig_dtype dtype,
                    const void *indices, const void *values, void *target) {
  const char *off = values, *on = off + size;
  IG_PARALLEL_FOR(outer > 1 && ig_worth_team(outer * depth * inner * (int64_t)size))
  for (int64_t o = 0; o < outer; o++) {
    char *to = (char *)target + (size_t)(o * depth * inner) * size;
    for (int64_t i = 0; i < depth * inner; i++) memcpy(to + (size_t)i * size, off, size);
    for (int64_t i = 0; i < inner; i++) {
      int64_t place = hot_place(dtype, indices, o * inner + i, depth);
      if (place >= 0) memcpy(to + (size_t)(place * inner + i) * size, on, size);
    }
  }
}

void ig_cpu_reverse_sequence(size_t size, int64_t first, int64_t second, int64_t inner,
                             bool time_first, const int64_t *lengths, const void *x, void *y) {
  size_t bytes = (size_t)inner * size;
  IG_PARALLEL_FOR(ig_worth_team(first * second * (int64_t)bytes))
  for (int64_t a = 0; a < first; a++) {
    for (int64_t b = 0; b < second; b++) {
      int64_t time = time_first ? a : b, length = lengths[time_first ? b : a];
      int64_t from = time < length ? length - 1 - time : time;
      int64_t source = time_first ? from * second + b : a * second + from;
      memcpy((char *)y + (size_t)(a * second + b) * bytes, (const char *)x + (size_t)source * bytes,
             bytes);
    }
  }
}

/* --- cumulative sums and products ------------------------------------------------------------- */

/* Element of step i along the line that starts at `start`, in the order of the scan. */
static inline int64_t step_of(const ig_scan *s, int64_t start, int64_t i) {
  return start + (s->reverse ? s->n - 1 - i : i) * s->inner;
}

static void scan_line(ig_dtype dtype, const ig_scan *s, int64_t start, const void *x, void *y) {
  ig_kind kind = ig_kind_of(dtype);
  ig_number total = ig_number_of(kind, s->product);
  for (int64_t i = 0; i < s->n; i++) {
    int64_t at = step_of(s, start, i);
    ig_number each = ig_load_number(dtype, x, at);
    ig_number next =
        s->product ? ig_number_multiply(kind, total, each) : ig_number_add(kind, total, each);
    ig_store_number(dtype, y, at, s->exclusive ? total : next);
    total = next;
  }
}

void ig_cpu_scan(ig_dtype dtype, const ig_scan *s, const void *x, void *y) {
  int64_t lines = s->outer * s->inner;
  IG_PARALLEL_FOR(lines > 1 && lines * s->n > IG_PARALLEL_FROM)
  for (int64_t line = 0; line < lines; line++)
    scan_line(dtype, s, line / s->inner * s->n * s->inner + line % s->inner, x, y);
}

/* With p the product of all before k, and r(k) the sum over later y of dy times what lies between,
 * dx(k) = p(k) r(k); r by its recurrence from the end. p is computed anew for each k of a block whose
 * r fit in an array, so that no workspace grows with n. */
#define SCAN_BLOCK 256

static void product_grad_line(ig_dtype dtype, const ig_scan *s, int64_t start, const void *dy,
                              const void *x, void *dx) {
  double later = 0, r[SCAN_BLOCK], after = 1; /* `after` is the operand that follows the block */
  double dy_after = 0;
  for (int64_t end = s->n; end > 0;) {
    int64_t begin = end > SCAN_BLOCK ? end - SCAN_BLOCK : 0;
    for (int64_t k = end - 1; k >= begin; k--) {
      double own = ig_load_f64(dtype, dy, step_of(s, start, k));
      later = (s->exclusive ? dy_after : own) + after * later;
      r[k - begin] = later;
      dy_after = own;
      after = ig_load_f64(dtype, x, step_of(s, start, k));
    }
    double before = 1;
    for (int64_t k = 0; k < end; k++) {
      int64_t at = step_of(s, start, k);
      if (k >= begin) ig_store_f64(dtype, dx, at, before * r[k - begin]);
      before *= ig_load_f64(dtype, x, at);
    }
    end = begin;
  }
}

void ig_cpu_scan_product_grad(ig_dtype dtype, const ig_scan *s, const void *dy, const void *x,
                              void *dx) {
  int64_t lines = s->outer * s->inner;
  IG_PARALLEL_FOR(lines > 1 && lines * s->n > IG_PARALLEL_FROM)
  for (int64_t line = 0; line < lines; line++)
    product_grad_line(dtype, s, line / s->inner * s->n * s->inner + line % s->inner, dy, x, dx);
}
