/* Shape arithmetic. Counts are computed with checked products once, in ig_shape_check; afterwards
 * plain products are safe. */
#include "engine/base/shape.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/checked.h"

ig_shape ig_shape_of(int rank, const int64_t *dims) {
  assert(rank >= 0 && rank <= IG_MAX_RANK);
  ig_shape shape = {.rank = rank};
  for (int i = 0; i < rank; i++) shape.dims[i] = dims[i];
  return shape;
}

int64_t ig_shape_span(const ig_shape *shape, int from, int to) {
  int64_t count = 1;
  for (int i = from; i < to; i++) count *= shape->dims[i];
  return count;
}

int64_t ig_shape_count(const ig_shape *shape) { return ig_shape_span(shape, 0, shape->rank); }

ig_status ig_shape_check(const ig_shape *shape, ig_dtype dtype) {
  IG_CHECK(shape->rank >= 0 && shape->rank <= IG_MAX_RANK, IG_ERR_SHAPE,
           "rank %d is outside 0 to %d", shape->rank, IG_MAX_RANK);
  int64_t count = 1;
  bool empty = false;
  for (int i = 0; i < shape->rank; i++) {
    IG_CHECK(shape->dims[i] >= 0, IG_ERR_SHAPE, "dimension %d of %s is negative", i,
             IG_SHAPE_STR(shape));
    /* The product of the other dimensions must fit too: strides are computed from them. */
    if (shape->dims[i] == 0) {
      empty = true;
      continue;
    }
    IG_CHECK(ig_mul_dim(count, shape->dims[i], &count), IG_ERR_SHAPE,
             "shape %s has more elements than can be counted", IG_SHAPE_STR(shape));
  }
  int64_t bytes;
  IG_CHECK(empty || (ig_mul_dim(count, (int64_t)ig_dtype_size(dtype), &bytes) &&
                     bytes <= INT64_MAX / 2),
           IG_ERR_SHAPE, "shape %s is larger than the address space", IG_SHAPE_STR(shape));
  return IG_OK;
}

size_t ig_shape_bytes(const ig_shape *shape, ig_dtype dtype) {
  return (size_t)ig_shape_count(shape) * ig_dtype_size(dtype);
}

bool ig_shape_equal(const ig_shape *a, const ig_shape *b) {
  return a->rank == b->rank &&
         memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0;
}

const char *ig_shape_text(const ig_shape *shape, char text[IG_SHAPE_TEXT]) {
  size_t used = 0;
  int rank = IG_MIN(IG_MAX(shape->rank, 0), IG_MAX_RANK);
  text[used++] = '[';
  for (int i = 0; i < rank; i++) {
    int n = snprintf(text + used, IG_SHAPE_TEXT - used, "%s%" PRId64, i ? ", " : "",
                     shape->dims[i]);
    if (n < 0 || used + (size_t)n + 2 > IG_SHAPE_TEXT) break;
    used += (size_t)n;
  }
  text[used++] = ']';
  text[used] = '\0';
  return text;
}

bool ig_shape_broadcast(const ig_shape *a, const ig_shape *b, ig_shape *out) {
  ig_shape result = {.rank = IG_MAX(a->rank, b->rank)};
  for (int i = 1; i <= result.rank; i++) {
    int64_t da = i <= a->rank ? a->dims[a->rank - i] : 1;
    int64_t db = i <= b->rank ? b->dims[b->rank - i] : 1;
    if (da != db && da != 1 && db != 1) return false;
    result.dims[result.rank - i] = da == 1 ? db : da;
  }
  *out = result;
  return true;
}

void ig_shape_strides(const ig_shape *shape, int64_t strides[IG_MAX_RANK]) {
  int64_t stride = 1;
  for (int i = shape->rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape->dims[i];
  }
}

void ig_shape_broadcast_strides(const ig_shape *shape, const ig_shape *against,
                                int64_t strides[IG_MAX_RANK]) {
  int64_t own[IG_MAX_RANK];
  ig_shape_strides(shape, own);
  int lead = against->rank - shape->rank;
  for (int i = 0; i < against->rank; i++) {
    bool repeats = i < lead || (shape->dims[i - lead] == 1 && against->dims[i] != 1);
    strides[i] = repeats ? 0 : own[i - lead];
  }
}

int ig_shape_axis(const ig_shape *shape, int64_t axis) {
  if (axis < -(int64_t)shape->rank || axis >= shape->rank) return -1;
  return (int)(axis < 0 ? axis + shape->rank : axis);
}
