/* Splitting a loop over cores. Work is cut so that the result does not depend on the number of
 * threads: elementwise loops by range, reductions by blocks of fixed size whose partial results are
 * combined in block order. */
#ifndef IG_KERNELS_CPU_PARALLEL_H
#define IG_KERNELS_CPU_PARALLEL_H

#include <stdint.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* Loops with fewer operations than this run on one thread: waking a team costs a few microseconds,
 * about what one core needs for so many cheap elements. */
#define IG_PARALLEL_FROM 32768

/* Within a parallel region: this thread's part of [0, count), in multiples of `grain`. */
static inline void ig_thread_share(int64_t count, int64_t grain, int64_t *begin, int64_t *end) {
  int64_t threads = 1, thread = 0;
#ifdef _OPENMP
  threads = omp_get_num_threads();
  thread = omp_get_thread_num();
#endif
  int64_t grains = (count + grain - 1) / grain;
  *begin = grains * thread / threads * grain;
  *end = grains * (thread + 1) / threads * grain;
  if (*begin > count) *begin = count;
  if (*end > count) *end = count;
}

#endif
