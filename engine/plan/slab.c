/* Greedy placement: blocks in some order, each into the gap among those placed already that overlap
 * it in time. Which order and which gap are best differs by graph, so that all combinations are
 * tried: a few milliseconds against gigabytes. */
#include "engine/plan/slab.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"

typedef enum order { BY_SIZE, BY_AREA, BY_LENGTH, BY_START, N_ORDERS } order;
typedef enum fit { FIRST_FIT, BEST_FIT, N_FITS } fit;

typedef struct item {
  const ig_block *block;
  int index;
  double key; /* descending; ties by index, so that the result is the same everywhere */
} item;

static int compare_items(const void *a, const void *b) {
  const item *x = a, *y = b;
  if (x->key != y->key) return x->key > y->key ? -1 : 1;
  return x->index - y->index;
}

static double key_of(const ig_block *block, order how) {
  double length = (double)(block->last - block->first + 1), size = (double)block->size;
  switch (how) {
  case BY_SIZE: return size;
  case BY_AREA: return size * length;
  case BY_LENGTH: return length;
  default: return -(double)block->first;
  }
}

static bool overlap(const ig_block *a, const ig_block *b) {
  return a->first <= b->last && b->first <= a->last;
}

/* Where `block` goes among `placed` (indices sorted by offset). */
static size_t find_gap(const ig_block *blocks, const size_t *offsets, const int *placed, int n,
                       const ig_block *block, fit how) {
  size_t end = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
  for (int i = 0; i < n; i++) {
    const ig_block *other = &blocks[placed[i]];
    if (!overlap(other, block)) continue;
    size_t start = offsets[placed[i]];
    if (start > end && start - end >= block->size && start - end < best_gap) {
      best = end;
      best_gap = start - end;
      if (how == FIRST_FIT) return best;
    }
    end = IG_MAX(end, start + other->size);
  }
  return best != SIZE_MAX ? best : end;
}

typedef struct attempt {
  item *items;
  int *placed;
  size_t *offsets; /* by block */
} attempt;

static size_t place_all(const ig_block *blocks, int n, attempt *a, order how, fit gap) {
  for (int i = 0; i < n; i++) a->items[i] = (item){&blocks[i], i, key_of(&blocks[i], how)};
  qsort(a->items, (size_t)n, sizeof *a->items, compare_items);
  size_t slab = 0;
  for (int i = 0; i < n; i++) {
    int index = a->items[i].index;
    size_t at = find_gap(blocks, a->offsets, a->placed, i, &blocks[index], gap);
    a->offsets[index] = at;
    int place = i; /* keep `placed` sorted by offset */
    while (place > 0 && a->offsets[a->placed[place - 1]] > at) place--;
    memmove(a->placed + place + 1, a->placed + place, (size_t)(i - place) * sizeof(int));
    a->placed[place] = index;
    slab = IG_MAX(slab, at + blocks[index].size);
  }
  return slab;
}

/* The most bytes alive at any step, by sweeping over the ends of all lifetimes. */
typedef struct event {
  int step;
  bool starts;
  size_t size;
} event;

static int compare_events(const void *a, const void *b) {
  const event *x = a, *y = b;
  if (x->step != y->step) return x->step < y->step ? -1 : 1;
  return (int)x->starts - (int)y->starts; /* what ended before this step leaves first */
}

static ig_status live_peak(const ig_block *blocks, int n, size_t *peak) {
  event *events = ig_alloc_zero(2 * (size_t)n + 1, sizeof *events);
  IG_CHECK_ALLOC(events);
  for (int i = 0; i < n; i++) {
    events[2 * i] = (event){blocks[i].first, true, blocks[i].size};
    events[2 * i + 1] = (event){blocks[i].last + 1, false, blocks[i].size};
  }
  qsort(events, 2 * (size_t)n, sizeof *events, compare_events);
  size_t live = 0;
  *peak = 0;
  for (int i = 0; i < 2 * n; i++) {
    if (events[i].starts) live += events[i].size;
    else live -= events[i].size;
    *peak = IG_MAX(*peak, live);
  }
  ig_free(events);
  return IG_OK;
}

ig_status ig_slab_layout(ig_block *blocks, int n, size_t *slab, size_t *lower_bound) {
  size_t total = 0;
  for (int i = 0; i < n; i++) {
    IG_CHECK(ig_align_size(blocks[i].size, IG_ALIGNMENT, &blocks[i].size) &&
                 ig_add_size(total, blocks[i].size, &total),
             IG_ERR_MEMORY, "the plan's tensors are larger than the address space");
  }
  *slab = 0;
  IG_TRY(live_peak(blocks, n, lower_bound));
  size_t count = (size_t)n + 1;
  attempt a = {.items = ig_alloc_zero(count, sizeof *a.items),
               .placed = ig_alloc_zero(count, sizeof *a.placed),
               .offsets = ig_alloc_zero(count, sizeof *a.offsets)};
  ig_status status = IG_OK;
  if (!a.items || !a.placed || !a.offsets) {
    status = ig_fail(IG_ERR_MEMORY, "out of memory");
  } else {
    size_t best = SIZE_MAX;
    for (int how = 0; how < N_ORDERS && best > *lower_bound; how++) {
      for (int gap = 0; gap < N_FITS && best > *lower_bound; gap++) {
        size_t size = place_all(blocks, n, &a, (order)how, (fit)gap);
        if (size >= best) continue;
        best = size;
        for (int i = 0; i < n; i++) blocks[i].offset = a.offsets[i];
      }
    }
    *slab = n > 0 ? best : 0;
  }
  ig_free(a.items);
  ig_free(a.placed);
  ig_free(a.offsets);
  return status;
}
