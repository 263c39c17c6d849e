/* .npz and .npy files as data of a graph, and back. */
#include "formats/datum_arrays.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/base/nearest.h"
#include "formats/array_writer.h"
#include "formats/npz.h"

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct target {
  const char *path;
  size_t limit;
  int n;
  ig_named_datum *wanted;
} target;

static ig_status no_such(const target *t, const char *name) {
  ig_nearest_search search = ig_nearest_begin(name);
  for (int i = 0; i < t->n; i++) ig_nearest_offer(&search, t->wanted[i].name);
  return ig_fail(IG_ERR_INPUT, "%s: array '%s' is no input of the model%s%s%s", t->path, name,
                 search.best ? "; did you mean '" : "", search.best ? search.best : "",
                 search.best ? "'?" : "");
}

static bool is_whole(ig_dtype dtype) { return ig_dtype_is_int(dtype) || dtype == IG_BOOL; }

static ig_status convert(const char *label, const ig_npy *npy, const void *values, ig_dtype dtype,
                         ig_datum **out) {
  ig_dtype from = npy->dtype;
  bool whole = is_whole(dtype) && is_whole(from);
  bool fits = dtype == from || (ig_dtype_is_float(dtype) && ig_dtype_is_float(from)) || whole;
  IG_CHECK(fits, IG_ERR_INPUT, "%s: expected %s, found %s", label, ig_dtype_name(dtype),
           ig_dtype_name(from));
  IG_TRY(ig_datum_tensor(dtype, &npy->shape, out));
  int64_t count = ig_shape_count(&npy->shape);
  if (dtype == from || !whole) {
    ig_convert(from, values, dtype, (*out)->data, count);
    return IG_OK;
  }
  int64_t done = ig_convert_exact(from, values, dtype, (*out)->data, count);
  if (done == count) return IG_OK;
  ig_datum_release(*out);
  *out = NULL;
  return ig_fail(IG_ERR_INPUT, "%s: element %lld, %lld, does not fit %s", label, (long long)done,
                 (long long)ig_load_i64(from, values, done), ig_dtype_name(dtype));
}

static ig_status take(target *t, const char *name, const void *bytes, size_t size,
                      ig_named_datum *to) {
  ig_npy npy;
  void *block = NULL;
  const void *values = NULL;
  char label[512];
  snprintf(label, sizeof label, "%.300s: array '%.100s'", t->path, name);
  IG_TRY(ig_npy_parse(label, bytes, size, &npy));
  IG_CHECK(npy.dtype != IG_NONE, IG_ERR_INPUT, "%s: %c%d is no type that is read", label, npy.raw.kind,
           npy.raw.bytes);
  ig_status status = ig_npy_values(label, &npy, bytes, t->limit, &block, &values);
  if (status == IG_OK) {
    status = convert(label, &npy, values, to->dtype ? to->dtype : npy.dtype, &to->datum);
  }
  ig_free(block);
  return status;
}

static ig_status take_member(void *context, const char *name, void *bytes, size_t size) {
  target *t = context;
  ig_status status = IG_OK;
  int i = 0;
  while (i < t->n && strcmp(t->wanted[i].name, name) != 0) i++;
  status = i == t->n ? no_such(t, name) : take(t, name, bytes, size, &t->wanted[i]);
  ig_free(bytes);
  return status;
}

ig_status ig_arrays_read(const char *path, int n, ig_named_datum *wanted) {
  struct stat info;
  if (stat(path, &info) != 0) return ig_fail_errno("open", path);
  const ig_dataset_open_options plain = {0};
  target t = {path, ig_memory_limit(&plain), n, wanted};
  ig_bytes bytes;
  IG_TRY(ig_bytes_map(path, &bytes));
  bool single = bytes.size > 6 && memcmp(bytes.data, IG_NPY_MAGIC, 6) == 0;
  ig_status status;
  if (single && n != 1) {
    status = ig_fail(IG_ERR_INPUT, "%s: holds one array, and the model has %d inputs; expected a .npz", path, n);
  } else if (single) {
    status = take(&t, wanted[0].name, bytes.data, bytes.size, &wanted[0]);
  } else {
    status = ig_npz_each(path, path, (uint64_t)info.st_size, t.limit, take_member, &t);
  }
  ig_bytes_release(&bytes);
  return status;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Code points of UTF-8, as many as fit; a byte that belongs to none stands for U+FFFD. Returns their count. */
static int64_t code_points(const ig_string *text, int64_t capacity, uint32_t *out) {
  int64_t n = 0;
  for (size_t i = 0; i < text->size && n < capacity; n++) {
    const unsigned char *b = (const unsigned char *)text->bytes + i;
    size_t more = b[0] < 0xc0 || b[0] >= 0xf8 ? 0 : b[0] >= 0xf0 ? 3 : b[0] >= 0xe0 ? 2 : 1;
    bool whole = (b[0] < 0x80 || more > 0) && more < text->size - i;
    uint32_t point = b[0] & (more == 0 ? 0x7fu : 0x3fu >> more);
    for (size_t k = 1; whole && k <= more; k++) {
      whole = (b[k] & 0xc0) == 0x80;
      point = point << 6 | (b[k] & 0x3fu);
    }
    if (out) out[n] = whole ? point : 0xfffd;
    i += whole ? more + 1 : 1;
  }
  return n;
}

/* As NumPy has texts: all of an array of one length, filled with zeros. */
static ig_status describe_texts(const ig_named_datum *from, ig_datum **as, ig_array *array) {
  const ig_datum *d = from->datum;
  const ig_string *texts = d->data;
  int64_t count = ig_shape_count(&d->shape), longest = 1;
  ig_shape shape = d->shape;
  IG_CHECK(shape.rank < IG_MAX_RANK, IG_ERR_UNSUPPORTED, "output '%s' is texts of rank %d", from->name, shape.rank);
  for (int64_t i = 0; i < count; i++) longest = IG_MAX(longest, code_points(&texts[i], INT64_MAX, NULL));
  shape.dims[shape.rank++] = longest;
  IG_TRY(ig_datum_tensor(IG_U32, &shape, as));
  for (int64_t i = 0; i < count; i++) code_points(&texts[i], longest, (uint32_t *)(*as)->data + i * longest);
  *array = (ig_array){.name = from->name, .dtype = IG_U32, .shape = shape, .texts = true};
  return IG_OK;
}

static ig_status describe(const ig_named_datum *from, ig_datum **as, ig_array *array) {
  const ig_datum *d = from->datum;
  IG_CHECK(d->kind == IG_DATUM_TENSOR, IG_ERR_UNSUPPORTED, "output '%s' is %s, which files of arrays do not hold",
           from->name, d->kind == IG_DATUM_SEQUENCE ? "a sequence" : "an optional without a value");
  if (d->dtype == IG_STRING) return describe_texts(from, as, array);
  bool number = (ig_dtype_is_float(d->dtype) && d->dtype != IG_BF16) || ig_dtype_is_int(d->dtype) ||
                d->dtype == IG_BOOL;
  if (number) {
    *as = ig_datum_hold(from->datum);
  } else { /* 4-bit integers and small floats are all numbers of f32 */
    IG_TRY(ig_datum_tensor(IG_F32, &d->shape, as));
    ig_convert(d->dtype, d->data, IG_F32, (*as)->data, ig_shape_count(&d->shape));
  }
  *array = (ig_array){.name = from->name, .dtype = (*as)->dtype, .shape = d->shape};
  return IG_OK;
}

#define MOST_ARRAYS 64

ig_status ig_arrays_write(const char *path, int n, const ig_named_datum *arrays) {
  ig_array described[MOST_ARRAYS];
  ig_datum *as[MOST_ARRAYS] = {0};
  const void *data[MOST_ARRAYS];
  ig_array_writer *writer = NULL;
  IG_CHECK(n >= 1 && n <= MOST_ARRAYS, IG_ERR_UNSUPPORTED, "%s: %d arrays, expected 1 to %d", path, n,
           MOST_ARRAYS);
  ig_status status = IG_OK;
  for (int i = 0; i < n && status == IG_OK; i++) {
    status = describe(&arrays[i], &as[i], &described[i]);
    if (status == IG_OK) data[i] = as[i]->data;
  }
  if (status == IG_OK) status = ig_array_writer_open_whole(path, n, described, &writer);
  if (status == IG_OK) {
    status = ig_array_writer_close(writer, ig_array_writer_append(writer, data, 1));
  }
  for (int i = 0; i < n; i++) ig_datum_release(as[i]);
  return status;
}
