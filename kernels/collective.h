/* The arithmetic of a collective: adding what several ranks hold, element by element. */
#ifndef IG_KERNELS_COLLECTIVE_H
#define IG_KERNELS_COLLECTIVE_H

#include "engine/base/dtype.h"

/* Sums `count` elements of n >= 1 sources of type `from` (f32, f16, bf16) in f32, rounds once to
 * `to` and writes that to each of m >= 1 targets. The order is a binary tree over the sources whose
 * left half is the largest power of two below n, and so on in both halves: ((0 + 1) + (2 + 3)) + (4
 * + 5). A target may be one of the sources; otherwise the arrays do not overlap. Runs in the
 * calling thread. */
void ig_cpu_sum_tree(int n, const void *const *sources, ig_dtype from, int m, void *const *targets,
                     ig_dtype to, int64_t count);

#endif
