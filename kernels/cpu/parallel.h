/* Splitting a loop over cores. Work is cut so that the result does not depend on the number of
 * threads: elementwise loops by range, reductions by blocks of fixed size whose partial results are
 * combined in block order. */
#ifndef IG_KERNELS_CPU_PARALLEL_H
#define IG_KERNELS_CPU_PARALLEL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef _OPENMP
#include <omp.h>
#define IG_PRAGMA(text) _Pragma(#text)
/* Spreads the loop that follows over cores when `condition` holds. */
#define IG_PARALLEL_FOR(condition) IG_PRAGMA(omp parallel for schedule(static) if (condition))
#else
#define IG_PARALLEL_FOR(condition) (void)(condition);
#endif

/* Loops with fewer operations than this run on one thread: waking a team costs a few microseconds,
 * about what one core needs for so many cheap elements. */
#define IG_PARALLEL_FROM 32768

/* The same for loops that move memory: as many bytes move from the second cache level meanwhile. */
#define IG_PARALLEL_BYTES ((int64_t)1 << 17)

static inline bool ig_worth_team(int64_t bytes) {
  return bytes > IG_PARALLEL_BYTES;
}

/* Threads that a parallel region would get. To choose who works, never what is computed. */
static inline int ig_threads(void) {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

/* Number of parts of at least `least` items into which `count` items are cut, at most `most`. */
static inline int64_t ig_parts(int64_t count, int64_t least, int64_t most) {
  int64_t parts = count / (least > 0 ? least : 1);
  return parts < 1 ? 1 : parts > most ? most : parts;
}

/* First item of part `part` of `parts`; part `parts` begins at `count`. */
static inline int64_t ig_part_begin(int64_t count, int64_t parts, int64_t part) {
  return count / parts * part + (part < count % parts ? part : count % parts);
}

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
