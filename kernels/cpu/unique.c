/* Slices are sorted by value, those of equal value by place, so that equal ones stand together, the first
 * of them in front. */
#include "kernels/unique.h"

#include <string.h>

#include "kernels/cpu/number.h"

bool ig_cpu_is_nonzero(ig_dtype dtype, const void *data, int64_t i) {
  ig_number x = ig_load_number(dtype, data, i);
  return ig_kind_of(dtype) == IG_KIND_REAL ? x.real != 0 : x.natural != 0;
}

typedef struct slices {
  ig_dtype dtype;
  ig_kind kind;
  const ig_rows *rows;
  const void *x;
} slices;

static int compare_texts(const ig_string *a, const ig_string *b) {
  size_t n = a->size < b->size ? a->size : b->size;
  int order = n ? memcmp(a->bytes, b->bytes, n) : 0;
  return order ? order : (a->size > b->size) - (a->size < b->size);
}

static int compare(const slices *s, int64_t a, int64_t b) {
  const ig_rows *r = s->rows;
  for (int64_t o = 0; o < r->outer; o++) {
    for (int64_t i = 0; i < r->inner; i++) {
      int64_t at = (o * r->n + a) * r->inner + i, other = (o * r->n + b) * r->inner + i;
      int order = s->dtype == IG_STRING
                      ? compare_texts((const ig_string *)s->x + at, (const ig_string *)s->x + other)
                      : ig_number_compare(s->kind, ig_load_number(s->dtype, s->x, at),
                                          ig_load_number(s->dtype, s->x, other));
      if (order != 0) return order;
    }
  }
  return 0;
}

/* Merges the sorted runs [begin, middle) and [middle, end) of `from` into `to`, the former first where
 * equal. */
static void merge(const slices *s, const int64_t *from, int64_t begin, int64_t middle, int64_t end,
                  int64_t *to) {
  int64_t left = begin, right = middle;
  for (int64_t i = begin; i < end; i++) {
    bool take_left = left < middle && (right == end || compare(s, from[left], from[right]) <= 0);
    to[i] = take_left ? from[left++] : from[right++];
  }
}

size_t ig_cpu_unique_workspace(int64_t n) {
  return 3 * (size_t)n * sizeof(int64_t);
}

/* Places in order of their slices, in one of the two arrays. */
static int64_t *sort(const slices *s, int64_t n, int64_t *order, int64_t *other) {
  for (int64_t i = 0; i < n; i++) order[i] = i;
  for (int64_t width = 1; width < n; width *= 2) {
    for (int64_t begin = 0; begin < n; begin += 2 * width) {
      int64_t middle = begin + width < n ? begin + width : n;
      merge(s, order, begin, middle, middle + width < n ? middle + width : n, other);
    }
    int64_t *swap = order;
    order = other;
    other = swap;
  }
  return order;
}

int64_t ig_cpu_unique(ig_dtype dtype, const ig_rows *rows, const void *x, bool sorted,
                      int64_t *first, int64_t *inverse, int64_t *counts, void *workspace) {
  int64_t n = rows->n, found = 0, *a = workspace, *b = a + n, *leader = b + n;
  slices s = {dtype, ig_kind_of(dtype), rows, x};
  int64_t *order = sort(&s, n, a, b), *rank = order == a ? b : a;
  for (int64_t i = 0; i < n; i++) { /* leader of a place: the first of equal value */
    bool same = i > 0 && compare(&s, order[i - 1], order[i]) == 0;
    leader[order[i]] = same ? leader[order[i - 1]] : order[i];
    if (!same) first[found++] = order[i];
  }
  if (!sorted) {
    found = 0;
    for (int64_t i = 0; i < n; i++) {
      if (leader[i] == i) first[found++] = i;
    }
  }
  for (int64_t k = 0; k < found; k++) rank[first[k]] = k;
  for (int64_t k = 0; k < found && counts; k++) counts[k] = 0;
  for (int64_t i = 0; i < n; i++) {
    int64_t k = rank[leader[i]];
    if (inverse) inverse[i] = k;
    if (counts) counts[k]++;
  }
  return found;
}
