/* Run-time values. Texts lie in one block behind their table, so that releasing frees one pointer. */
#include "engine/graph/datum.h"

#include <string.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"

static _Thread_local size_t live_bytes;

size_t ig_datum_live_bytes(void) { return live_bytes; }

/* The block becomes the datum's; false without one. */
static bool own(ig_datum *datum, void *block, size_t bytes) {
  if (!block) return false;
  datum->data = block;
  datum->owned = true;
  datum->bytes = bytes;
  live_bytes += bytes;
  return true;
}

static ig_status create(ig_datum_kind kind, ig_datum **out) {
  ig_datum *datum = ig_alloc_zero(1, sizeof *datum);
  IG_CHECK_ALLOC(datum);
  datum->kind = kind;
  datum->holders = 1;
  *out = datum;
  return IG_OK;
}

static ig_status create_tensor(ig_dtype dtype, const ig_shape *shape, ig_datum **out) {
  IG_TRY(ig_shape_check(shape, dtype));
  IG_TRY(create(IG_DATUM_TENSOR, out));
  (*out)->dtype = dtype;
  (*out)->shape = *shape;
  return IG_OK;
}

ig_status ig_datum_tensor(ig_dtype dtype, const ig_shape *shape, ig_datum **out) {
  ig_datum *datum = NULL;
  IG_TRY(create_tensor(dtype, shape, &datum));
  size_t bytes = ig_shape_bytes(shape, dtype);
  if (!own(datum, ig_alloc_zero(bytes ? bytes : 1, 1), bytes)) {
    ig_datum_release(datum);
    return ig_fail(IG_ERR_MEMORY, "out of memory: a tensor of %zu bytes", bytes);
  }
  *out = datum;
  return IG_OK;
}

ig_status ig_datum_borrow(ig_dtype dtype, const ig_shape *shape, const void *data, ig_datum **out) {
  IG_TRY(create_tensor(dtype, shape, out));
  (*out)->data = (void *)data; /* never written: only its maker may write a datum's data */
  return IG_OK;
}

ig_status ig_datum_view(ig_datum *datum, const ig_shape *shape, ig_datum **out) {
  IG_CHECK(datum->kind == IG_DATUM_TENSOR &&
               ig_shape_count(shape) == ig_shape_count(&datum->shape),
           IG_ERR_INTERNAL, "a view of other size");
  IG_TRY(create_tensor(datum->dtype, shape, out));
  (*out)->data = datum->data;
  (*out)->of = ig_datum_hold(datum->of ? datum->of : datum);
  return IG_OK;
}

ig_status ig_datum_strings(const ig_shape *shape, const ig_string *texts, ig_datum **out) {
  ig_datum *datum = NULL;
  int64_t count = ig_shape_count(shape);
  size_t bytes;
  IG_CHECK(ig_mul_size((size_t)count, sizeof *texts, &bytes), IG_ERR_MEMORY, "too many texts");
  for (int64_t i = 0; i < count; i++) {
    IG_CHECK(ig_add_size(bytes, texts[i].size, &bytes), IG_ERR_MEMORY, "texts are too long");
  }
  IG_TRY(create_tensor(IG_STRING, shape, &datum));
  if (!own(datum, ig_alloc(bytes ? bytes : 1), bytes)) {
    ig_datum_release(datum);
    return ig_fail(IG_ERR_MEMORY, "out of memory: texts of %zu bytes", bytes);
  }
  ig_string *table = datum->data;
  char *at = (char *)(table + count);
  for (int64_t i = 0; i < count; i++) {
    if (texts[i].size) memcpy(at, texts[i].bytes, texts[i].size);
    table[i] = (ig_string){at, texts[i].size};
    at += texts[i].size;
  }
  *out = datum;
  return IG_OK;
}

ig_status ig_datum_sequence(ig_dtype dtype, int64_t n, ig_datum *const *items, ig_datum **out) {
  ig_datum *datum = NULL;
  IG_TRY(create(IG_DATUM_SEQUENCE, &datum));
  datum->dtype = dtype;
  datum->items = ig_alloc_zero((size_t)n + 1, sizeof *items);
  if (!datum->items) {
    ig_datum_release(datum);
    return ig_fail(IG_ERR_MEMORY, "out of memory: a sequence of %lld", (long long)n);
  }
  for (int64_t i = 0; i < n; i++) datum->items[datum->n++] = ig_datum_hold(items[i]);
  *out = datum;
  return IG_OK;
}

ig_status ig_datum_none(ig_datum **out) {
  return create(IG_DATUM_NONE, out);
}

ig_datum *ig_datum_hold(ig_datum *datum) {
  if (datum) datum->holders++;
  return datum;
}

void ig_datum_release(ig_datum *datum) {
  if (!datum || --datum->holders > 0) return;
  for (int64_t i = 0; i < datum->n; i++) ig_datum_release(datum->items[i]);
  ig_free(datum->items);
  ig_datum_release(datum->of);
  if (datum->owned) {
    ig_free(datum->data);
    live_bytes -= datum->bytes;
  }
  ig_free(datum);
}

ig_status ig_datum_ints(const ig_datum *datum, const char *what, int capacity, int64_t *out,
                        int *n) {
  IG_CHECK(datum && datum->kind == IG_DATUM_TENSOR &&
               (ig_dtype_is_int(datum->dtype) || datum->dtype == IG_BOOL),
           IG_ERR_SHAPE, "%s must be a tensor of integers", what);
  int64_t count = ig_shape_count(&datum->shape);
  IG_CHECK(count <= capacity, IG_ERR_SHAPE, "%s has %lld elements, at most %d are allowed", what,
           (long long)count, capacity);
  ig_convert(datum->dtype, datum->data, IG_I64, out, count);
  *n = (int)count;
  return IG_OK;
}
