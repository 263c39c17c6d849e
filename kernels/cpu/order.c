/* ArgMax, ArgMin and TopK. Elements are compared as what they are, reals as doubles. TopK keeps
 * the k best of a row in a heap whose root is the worst of them, and sorts it by taking the roots
 * away. */
#include "kernels/order.h"

#include <math.h>
#include <string.h>

#include "kernels/cpu/number.h"
#include "kernels/cpu/parallel.h"

/* An element and where it stands. */
typedef struct item {
  ig_number key;
  int64_t place;
} item;

static item load(ig_dtype dtype, const void *x, int64_t at, int64_t place) {
  return (item){ig_load_number(dtype, x, at), place};
}

static int64_t first_of(const ig_rows *r, int64_t length, int64_t row) {
  return row / r->inner * length * r->inner + row % r->inner;
}

/* --- ArgMax and ArgMin ----------------------------------------------------------------------- */

static int64_t arg_max_f32(const float *x, int64_t n, int64_t step, bool last) {
  int64_t best = 0;
  for (int64_t i = 1; i < n && !(isnan(x[best * step]) && !last); i++) {
    float v = x[i * step], most = x[best * step];
    bool better = last ? v >= most && !isnan(most) : v > most;
    if (better || isnan(v)) best = i;
  }
  return best;
}

static bool is_nan(ig_kind kind, ig_number x) {
  return kind == IG_KIND_REAL && isnan(x.real);
}

static int64_t arg_extreme(ig_dtype dtype, const void *x, int64_t first, int64_t n, int64_t step,
                           bool least, bool last) {
  ig_kind kind = ig_kind_of(dtype);
  item best = load(dtype, x, first, 0);
  for (int64_t i = 1; i < n; i++) {
    item it = load(dtype, x, first + i * step, i);
    int order = ig_number_compare(kind, it.key, best.key);
    if (least && !is_nan(kind, it.key) && !is_nan(kind, best.key)) order = -order;
    if (order > 0 || (order == 0 && last)) best = it;
  }
  return best.place;
}

void ig_cpu_arg_extreme(ig_dtype dtype, const ig_rows *r, const void *x, bool least, bool last,
                        int64_t *places) {
  int64_t rows = r->outer * r->inner;
#pragma omp parallel for schedule(static) if (rows > 1 && rows * r->n >= IG_PARALLEL_FROM)
  for (int64_t row = 0; row < rows; row++) {
    int64_t first = first_of(r, r->n, row);
    places[row] = dtype == IG_F32 && !least
                      ? arg_max_f32((const float *)x + first, r->n, r->inner, last)
                      : arg_extreme(dtype, x, first, r->n, r->inner, least, last);
  }
}

/* --- TopK ------------------------------------------------------------------------------------ */

/* Rows are dealt out to this many strips, each with a heap of its own, whatever the number of
 * threads. */
#define STRIPS 8

size_t ig_cpu_top_k_workspace(int64_t k) {
  return STRIPS * (size_t)k * sizeof(item);
}

typedef struct heap {
  ig_dtype dtype;
  ig_kind kind;
  bool least;
  item *items;
  int64_t n;
} heap;

/* Whether a belongs before b in the result. */
static bool precedes(const heap *h, const item *a, const item *b) {
  int order = ig_number_compare(h->kind, a->key, b->key);
  if (order != 0) return h->least ? order < 0 : order > 0;
  return a->place < b->place;
}

/* Moves the item at `i` down until neither child is worse. */
static void sift_down(const heap *h, int64_t i) {
  for (;;) {
    int64_t worst = i;
    for (int64_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++) {
      if (precedes(h, &h->items[worst], &h->items[child])) worst = child;
    }
    if (worst == i) return;
    item swap = h->items[i];
    h->items[i] = h->items[worst];
    h->items[worst] = swap;
    i = worst;
  }
}

/* The k best of a row, best first. */
static void select_row(heap *h, const ig_rows *r, const void *x, int64_t first, int64_t k) {
  h->n = k;
  for (int64_t i = 0; i < k; i++) h->items[i] = load(h->dtype, x, first + i * r->inner, i);
  for (int64_t i = k / 2 - 1; i >= 0; i--) sift_down(h, i);
  for (int64_t i = k; i < r->n; i++) {
    item it = load(h->dtype, x, first + i * r->inner, i);
    if (!precedes(h, &it, &h->items[0])) continue;
    h->items[0] = it;
    sift_down(h, 0);
  }
  while (h->n > 1) { /* the worst goes to the end */
    item worst = h->items[0];
    h->items[0] = h->items[--h->n];
    h->items[h->n] = worst;
    sift_down(h, 0);
  }
}

void ig_cpu_top_k(ig_dtype dtype, const ig_rows *r, const void *x, int64_t k, bool least,
                  void *values, int64_t *places, void *workspace) {
  int64_t rows = r->outer * r->inner, size = (int64_t)ig_dtype_size(dtype);
  if (k == 0) return;
#pragma omp parallel for schedule(static) if (rows > 1 && rows * r->n >= IG_PARALLEL_FROM)
  for (int64_t strip = 0; strip < STRIPS; strip++) {
    heap h = {.dtype = dtype, .kind = ig_kind_of(dtype), .least = least, .items = (item *)workspace + strip * k};
    for (int64_t row = rows * strip / STRIPS; row < rows * (strip + 1) / STRIPS; row++) {
      int64_t from = first_of(r, r->n, row), to = first_of(r, k, row);
      select_row(&h, r, x, from, k);
      for (int64_t i = 0; i < k; i++) {
        int64_t place = h.items[i].place, at = to + i * r->inner;
        memcpy((char *)values + at * size, (const char *)x + (from + place * r->inner) * size,
               (size_t)size);
        places[at] = place;
      }
    }
  }
}

void ig_cpu_top_k_grad(ig_dtype dtype, const ig_rows *r, int64_t k, const void *dy,
                       const int64_t *places, void *dx) {
  int64_t rows = r->outer * r->inner, size = (int64_t)ig_dtype_size(dtype);
  memset(dx, 0, (size_t)(rows * r->n * size));
  for (int64_t row = 0; row < rows; row++) {
    int64_t from = first_of(r, k, row), to = first_of(r, r->n, row);
    for (int64_t i = 0; i < k; i++) {
      int64_t at = from + i * r->inner, place = places[at];
      if (place < 0 || place >= r->n) continue;
      memcpy((char *)dx + (to + place * r->inner) * size, (const char *)dy + at * size,
             (size_t)size);
    }
  }
}
