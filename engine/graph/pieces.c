/* See pieces.h. Texts are moved as table entries and copied once the table is whole. */
#include "engine/graph/pieces.h"

#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"

/* A tensor to be written whole, and given out once it is. */
typedef struct writing {
  ig_dtype dtype;
  ig_shape shape;
  char *data;
  ig_datum *datum; /* NULL for texts until the end */
} writing;

static ig_status begin(ig_dtype dtype, const ig_shape *shape, writing *w) {
  *w = (writing){.dtype = dtype, .shape = *shape};
  IG_TRY(ig_shape_check(shape, dtype));
  if (dtype != IG_STRING) {
    IG_TRY(ig_datum_tensor(dtype, shape, &w->datum));
    w->data = w->datum->data;
    return IG_OK;
  }
  w->data = ig_alloc_zero((size_t)ig_shape_count(shape) + 1, sizeof(ig_string));
  IG_CHECK_ALLOC(w->data);
  return IG_OK;
}

static ig_status end(writing *w, ig_datum **out) {
  if (w->datum) {
    *out = w->datum;
    return IG_OK;
  }
  ig_status status = ig_datum_strings(&w->shape, (const ig_string *)(void *)w->data, out);
  ig_free(w->data);
  return status;
}

ig_status ig_datum_part(const ig_datum *datum, int axis, int64_t from, int64_t count, bool drop,
                        ig_datum **out) {
  const ig_shape *whole = &datum->shape;
  ig_shape shape = *whole;
  shape.dims[axis] = count;
  if (drop) {
    shape.rank--;
    for (int d = axis; d < shape.rank; d++) shape.dims[d] = whole->dims[d + 1];
  }
  writing w;
  IG_TRY(begin(datum->dtype, &shape, &w));
  size_t inner = (size_t)ig_shape_span(whole, axis + 1, whole->rank) * ig_dtype_size(datum->dtype);
  size_t bytes = (size_t)count * inner;
  int64_t outer = ig_shape_span(whole, 0, axis);
  for (int64_t o = 0; o < outer && bytes; o++) {
    memcpy(w.data + (size_t)o * bytes,
           (const char *)datum->data + (size_t)(o * whole->dims[axis] + from) * inner, bytes);
  }
  return end(&w, out);
}

ig_status ig_shape_stacked(const ig_shape *element, int64_t n, int64_t axis, ig_shape *out, int *at) {
  IG_CHECK(element->rank < IG_MAX_RANK, IG_ERR_SHAPE, "more than %d dimensions", IG_MAX_RANK);
  *out = (ig_shape){.rank = element->rank + 1};
  *at = ig_shape_axis(out, axis);
  IG_CHECK(*at >= 0, IG_ERR_SHAPE, "axis %lld is outside of %d dimensions", (long long)axis,
           out->rank);
  for (int d = 0; d < out->rank; d++) {
    out->dims[d] = d == *at ? n : element->dims[d - (d > *at)];
  }
  return IG_OK;
}

/* The joined shape of tensors that agree but for one axis. */
static ig_status joined_shape(int64_t n, ig_datum *const *items, int64_t axis, ig_shape *out,
                              int *at) {
  *out = items[0]->shape;
  *at = ig_shape_axis(out, axis);
  IG_CHECK(*at >= 0, IG_ERR_SHAPE, "axis %lld is outside of %d dimensions", (long long)axis,
           out->rank);
  out->dims[*at] = 0;
  for (int64_t i = 0; i < n; i++) {
    ig_shape rest = items[i]->shape;
    if (rest.rank == out->rank) rest.dims[*at] = out->dims[*at];
    IG_CHECK(ig_shape_equal(&rest, out), IG_ERR_SHAPE, "element %lld of shape %s does not fit to %s",
             (long long)i, IG_SHAPE_STR(&items[i]->shape), IG_SHAPE_STR(&items[0]->shape));
    IG_CHECK(ig_add_dim(out->dims[*at], items[i]->shape.dims[*at], &out->dims[*at]), IG_ERR_SHAPE,
             "too many elements");
  }
  return IG_OK;
}

static ig_status check_types(int64_t n, ig_datum *const *items) {
  for (int64_t i = 0; i < n; i++) {
    IG_CHECK(items[i]->kind == IG_DATUM_TENSOR, IG_ERR_SHAPE, "element %lld is no tensor",
             (long long)i);
    IG_CHECK(items[i]->dtype == items[0]->dtype, IG_ERR_SHAPE, "element %lld is %s, the first is %s",
             (long long)i, ig_dtype_name(items[i]->dtype), ig_dtype_name(items[0]->dtype));
  }
  return IG_OK;
}

/* Writes the items into the result, in each of `outer` rows one behind the other. */
static ig_status write_all(int64_t n, ig_datum *const *items, int axis, bool backwards,
                           const ig_shape *shape, ig_datum **out) {
  writing w;
  IG_TRY(begin(items[0]->dtype, shape, &w));
  int64_t outer = ig_shape_span(shape, 0, axis);
  size_t row = (size_t)ig_shape_span(shape, axis, shape->rank) * ig_dtype_size(w.dtype), at = 0;
  for (int64_t i = 0; i < n && row && outer; i++) {
    const ig_datum *item = items[backwards ? n - 1 - i : i];
    size_t bytes = ig_shape_bytes(&item->shape, item->dtype) / (size_t)outer;
    for (int64_t o = 0; o < outer && bytes; o++) {
      memcpy(w.data + (size_t)o * row + at, (const char *)item->data + (size_t)o * bytes, bytes);
    }
    at += bytes;
  }
  return end(&w, out);
}

ig_status ig_datum_join(int64_t n, ig_datum *const *items, int64_t axis, bool backwards,
                        ig_datum **out) {
  ig_shape shape = {0};
  int at = 0;
  IG_TRY(check_types(n, items));
  IG_TRY(joined_shape(n, items, axis, &shape, &at));
  return write_all(n, items, at, backwards, &shape, out);
}

ig_status ig_datum_stack(int64_t n, ig_datum *const *items, int64_t axis, bool backwards,
                         ig_datum **out) {
  ig_shape shape = {0};
  int at = 0;
  IG_TRY(check_types(n, items));
  for (int64_t i = 0; i < n; i++) {
    IG_CHECK(ig_shape_equal(&items[i]->shape, &items[0]->shape), IG_ERR_SHAPE,
             "element %lld has shape %s, the first %s", (long long)i,
             IG_SHAPE_STR(&items[i]->shape), IG_SHAPE_STR(&items[0]->shape));
  }
  IG_TRY(ig_shape_stacked(&items[0]->shape, n, axis, &shape, &at));
  return write_all(n, items, at, backwards, &shape, out);
}
