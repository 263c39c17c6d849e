/* Data movement: copies between strided boxes, and padding. Elements are opaque words of
 * 1, 2, 4, 8 or (on the CPU alone) 16 bytes; strides count elements. Results do not depend on the
 * number of threads. */
#ifndef IG_KERNELS_MOVEMENT_H
#define IG_KERNELS_MOVEMENT_H

#include "engine/base/dtype.h"

#define IG_MOVEMENT_MAX_RANK 8
/* Of the boxes that ig_cpu_strided_copy takes: each dimension of a tensor cut in two. */
#define IG_CPU_COPY_RANK 16

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
 * row-major order of dy, each sum rounded. Float types. */
void ig_cpu_pad_grad(ig_dtype dtype, int rank, const ig_pad_axis *axes, const void *dy, void *dx);

/* --- on a CUDA device: all pointers are device memory, work is queued on `stream` --------------- */

/* As ig_cpu_strided_copy. */
ig_status ig_cuda_strided_copy(size_t size, int rank, const int64_t *dims, const void *source,
                               const int64_t *source_strides, void *target,
                               const int64_t *target_strides, void *stream);
/* As ig_cpu_fill, with `value` in host memory. */
ig_status ig_cuda_fill(size_t size, const void *value, void *target, int64_t count, void *stream);
/* Writes up to IG_WRITE_BYTES bytes of host memory, which travel as an argument of the launch. */
#define IG_WRITE_BYTES 2048
ig_status ig_cuda_write(const void *bytes, size_t size, void *target, void *stream);

/* Where a padded coordinate outside the tensor reads: nowhere, or its mirror image, the border's
 * element, or the tensor repeated. */
typedef enum ig_pad_mode { IG_PAD_CONSTANT, IG_PAD_REFLECT, IG_PAD_EDGE, IG_PAD_WRAP } ig_pad_mode;

/* Coordinate i of dimension d of `out` is i - shift[d] of `in`. */
typedef struct ig_pad_box {
  int rank;
  ig_pad_mode mode;
  int64_t in[IG_MOVEMENT_MAX_RANK], out[IG_MOVEMENT_MAX_RANK], shift[IG_MOVEMENT_MAX_RANK];
} ig_pad_box;

/* The pad value is read at `value`, in device memory; NULL is zero. */
ig_status ig_cuda_pad(size_t size, const ig_pad_box *box, const void *value, const void *source,
                      void *target, void *stream);
/* The transpose: dx[i] is the sum, in row-major order, of what i was copied to. f32, bf16, f16. */
ig_status ig_cuda_pad_grad(ig_dtype dtype, const ig_pad_box *box, const void *dy, void *dx,
                           void *stream);

/* For batch entry b, rows of `update` [batch, heads, n, inner] to rows first[b] onwards of `cache`
 * [batch, heads, rows, inner], 0 where `first` is NULL; `circular` wraps around. What no host checks
 * on a device: a negative first[b], and linear rows past the end, are left out. */
ig_status ig_cuda_scatter_rows(size_t size, const int64_t batch_heads_rows_inner[4], int64_t n,
                               const int64_t *first, bool circular, const void *update, void *cache,
                               void *stream);
/* target[i] = start + i * delta, of an integer dtype in `whole`, else in f64 rounded once. */
typedef struct ig_arithmetic {
  double start, delta;
  int64_t whole_start, whole_delta;
} ig_arithmetic;
ig_status ig_cuda_range(ig_dtype dtype, const ig_arithmetic *series, void *target, int64_t count,
                        void *stream);

#endif
