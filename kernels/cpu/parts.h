/* When to spread a loop over cores, and how to cut it. Cuts depend on sizes alone, never on the
 * number of threads, so that sums over them have the same bits on every machine. */
#ifndef IG_KERNELS_CPU_PARTS_H
#define IG_KERNELS_CPU_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* Waking a team costs about 5 microseconds; that many bytes move from the second cache level
 * meanwhile. */
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

#endif
