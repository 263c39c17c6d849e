/* Data movement: copies between strided boxes, and padding. Elements are opaque words of
 * 1, 2, 4 or 8 bytes; strides count elements. Results do not depend on the number of threads. */
#ifndef IG_KERNELS_MOVEMENT_H
#define IG_KERNELS_MOVEMENT_H

#include "engine/base/dtype.h"

#define IG_MOVEMENT_MAX_RANK 8

/* target[sum i_d * target_strides[d]] = source[sum i_d * source_strides[d]] for every index below
 * `dims`. A source stride of 0 repeats, a negative one walks backwards; the target's elements are
 * distinct and do not overlap the source's. Runs of equal strides become memcpy, and a box whose
 * source is contiguous along another dimension than its target is copied in tiles. */
void ig_cpu_strided_copy(size_t size, int rank, const int64_t *dims, const void *source,
                         const int64_t *source_strides, void *target,
                         const int64_t *target_strides);

/* Writes the element at `value` into `count` elements. */
void ig_cpu_fill(size_t size, const void *value, void *target, int64_t count);

/* One dimension of a padded box: out[i] is in[source[i]], or the pad value where source[i] < 0. The
 * run [first, last) has source[i] = i - shift, so that it can be copied whole. */
typedef struct ig_pad_axis {
  int64_t in, out;
  int64_t first, last, shift;
  const int64_t *source; /* `out` entries */
} ig_pad_axis;

void ig_cpu_pad(size_t size, int rank, const ig_pad_axis *axes, const void *value,
                const void *source, void *target);

/* The transpose of ig_cpu_pad: dx = 0, then dx at the source of every element of dy gets it added, in
 * row-major order of dy. f32 and f64. */
void ig_cpu_pad_grad(ig_dtype dtype, int rank, const ig_pad_axis *axes, const void *dy, void *dx);

#endif
