/* Placement of blocks with lifetimes in one slab: two blocks whose lifetimes overlap get disjoint
 * byte ranges. Dynamic storage allocation is NP-hard; several greedy orders are tried and the
 * smallest result taken. */
#ifndef IG_PLAN_SLAB_H
#define IG_PLAN_SLAB_H

#include "engine/base/status.h"

typedef struct ig_block {
  size_t size;     /* bytes; rounded up to IG_ALIGNMENT by the placement */
  int first, last; /* steps at which it is written first and read last, inclusive */
  size_t offset;   /* result */
} ig_block;

/* Sets every block's offset. *slab is the size needed, *lower_bound the most bytes live at a step,
 * which no placement can beat. */
ig_status ig_slab_layout(ig_block *blocks, int n, size_t *slab, size_t *lower_bound);

#endif
