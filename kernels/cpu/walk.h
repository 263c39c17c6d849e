/* Going through an ig_walk range by range: calls back for each run along the innermost dimension
 * with the operands' element offsets. */
#ifndef IG_KERNELS_CPU_WALK_H
#define IG_KERNELS_CPU_WALK_H

#include "kernels/elementwise.h"

/* n results from element `at` on; operand k starts at offset[k] and advances by
 * walk->strides[k][rank - 1], which is 0 or 1. */
typedef void ig_walk_segment(void *context, const int64_t offset[IG_WALK_OPERANDS], int64_t at,
                             int64_t n);

static inline int64_t ig_walk_count(const ig_walk *walk) {
  int64_t count = 1;
  for (int d = 0; d < walk->rank; d++) count *= walk->dims[d];
  return count;
}

/* Results [begin, end), begin < end. */
static inline void ig_walk_range(const ig_walk *walk, int64_t begin, int64_t end,
                                 ig_walk_segment *segment, void *context) {
  int64_t index[8], offset[IG_WALK_OPERANDS] = {0}, rest = begin;
  int inner = walk->rank - 1;
  for (int d = inner; d >= 0; d--) {
    index[d] = rest % walk->dims[d];
    rest /= walk->dims[d];
    for (int k = 0; k < IG_WALK_OPERANDS; k++) offset[k] += index[d] * walk->strides[k][d];
  }
  for (int64_t at = begin; at < end;) {
    int64_t n = IG_MIN(walk->dims[inner] - index[inner], end - at);
    segment(context, offset, at, n);
    at += n;
    index[inner] += n;
    for (int k = 0; k < IG_WALK_OPERANDS; k++) offset[k] += n * walk->strides[k][inner];
    for (int d = inner; d > 0 && index[d] == walk->dims[d]; d--) { /* carry */
      for (int k = 0; k < IG_WALK_OPERANDS; k++)
        offset[k] += walk->strides[k][d - 1] - index[d] * walk->strides[k][d];
      index[d] = 0;
      index[d - 1]++;
    }
  }
}

#endif
