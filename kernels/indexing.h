/* Elements and slices by index, and what is placed by index. Indices are i64 when `wide`, else i32;
 * negative ones count from the end. They must be in range: ig_cpu_find_outside (kernels/gather.h) and
 * ig_cpu_find_outside_slices say where one is not. Results do not depend on the number of threads. */
#ifndef IG_KERNELS_INDEXING_H
#define IG_KERNELS_INDEXING_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/dtype.h"

/* What becomes of an element and an update of it. NaN wins in MIN and MAX; integers wrap; of bools ADD
 * is "or" and MUL "and". */
typedef enum ig_scatter {
  IG_SCATTER_SET,
  IG_SCATTER_ADD,
  IG_SCATTER_MUL,
  IG_SCATTER_MIN,
  IG_SCATTER_MAX
} ig_scatter;

/* Index tensors of `dims`; the element of data at a multi-index has the index there instead of its
 * coordinate `axis`. */
typedef struct ig_elements {
  int rank, axis;
  int64_t dims[8];
  int64_t strides[8]; /* of data, in elements */
  int64_t rows;       /* of data, along `axis` */
} ig_elements;

/* target, of the indices' dims = data[..., index, ...]; elements of `size` bytes. */
void ig_cpu_gather_elements(size_t size, const ig_elements *e, const void *data,
                            const void *indices, bool wide, void *target);
/* data[..., index, ...] = how(data[..., index, ...], update), in row-major order of the indices. Any type
 * for SET, numbers and bool for the others. */
void ig_cpu_scatter_elements(ig_scatter how, ig_dtype dtype, const ig_elements *e,
                             const void *indices, bool wide, const void *updates, void *data);

/* Tuples of `depth` i64 indices [batches, count, depth]; each names a slice of `inner` elements of its
 * batch of data. */
typedef struct ig_slices {
  int64_t batches, count, inner;
  int64_t batch_stride; /* elements of data in a batch */
  int depth;
  int64_t dims[8], strides[8]; /* of data, one for each index of a tuple */
} ig_slices;

/* Position of the first index out of range, or -1. */
int64_t ig_cpu_find_outside_slices(const ig_slices *s, const int64_t *indices);
/* target [batches, count, inner]. */
void ig_cpu_gather_slices(size_t size, const ig_slices *s, const void *data, const int64_t *indices,
                          void *target);
/* As ig_cpu_scatter_elements, updates [batches, count, inner]. */
void ig_cpu_scatter_slices(ig_scatter how, ig_dtype dtype, const ig_slices *s,
                           const int64_t *indices, const void *updates, void *data);

/* y = x [batches, rows, columns] where column - row >= k with `upper`, else where column - row <= k; all
 * zero bits elsewhere. */
void ig_cpu_trilu(size_t size, int64_t batches, int64_t rows, int64_t columns, bool upper,
                  int64_t k, const void *x, void *y);

/* target [outer, depth, inner] = values[1] where index [outer, inner], truncated, is the place along
 * depth, else values[0]. Negative indices count from the end; those out of range are nowhere. */
void ig_cpu_one_hot(size_t size, int64_t outer, int64_t depth, int64_t inner, ig_dtype dtype,
                    const void *indices, const void *values, void *target);

/* Of x [first, second, inner], batch entry b's first lengths[b] steps backwards, the others as they are;
 * the batch is the first dimension, with `time_first` the second. */
void ig_cpu_reverse_sequence(size_t size, int64_t first, int64_t second, int64_t inner,
                             bool time_first, const int64_t *lengths, const void *x, void *y);

/* Sums or products along the middle dimension of [outer, n, inner], of all before an element, itself
 * among them unless `exclusive`; from the end with `reverse`. Numbers, computed in f64 or in 64-bit
 * integers that wrap. */
typedef struct ig_scan {
  bool product, exclusive, reverse;
  int64_t outer, n, inner;
} ig_scan;
void ig_cpu_scan(ig_dtype dtype, const ig_scan *scan, const void *x, void *y);
/* dx of the products, without divisions, so that zeros do no harm. Float types. */
void ig_cpu_scan_product_grad(ig_dtype dtype, const ig_scan *scan, const void *dy, const void *x,
                              void *dx);

#endif
