/* Which elements are there at all: not 0, and each once. Any type, texts among them; NaN equals NaN and is
 * above all. */
#ifndef IG_KERNELS_UNIQUE_H
#define IG_KERNELS_UNIQUE_H

#include <stdbool.h>

#include "kernels/softmax.h"

bool ig_cpu_is_nonzero(ig_dtype dtype, const void *data, int64_t i);

/* Scratch bytes of ig_cpu_unique for n slices. */
size_t ig_cpu_unique_workspace(int64_t n);
/* Slices [outer, i, inner] for each i of the middle dimension, compared element by element in row-major
 * order. Gives how many differ; in first[k] where the k-th of them first stands, by value where `sorted`,
 * else by first[k] itself; for each slice in `inverse` which of them it is; and in `counts` how often
 * each stands there. All three have n entries, and may be NULL but first. */
int64_t ig_cpu_unique(ig_dtype dtype, const ig_rows *rows, const void *x, bool sorted,
                      int64_t *first, int64_t *inverse, int64_t *counts, void *workspace);

#endif
