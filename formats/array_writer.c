/* The array writer: finds the format, keeps count of rows, and puts the file in place at the end. */
#include "formats/array_writer_format.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "engine/base/nearest.h"

static const ig_array_format *const formats[] = {&ig_array_format_h5, &ig_array_format_csv,
                                                 &ig_array_format_npy, &ig_array_format_npz};

static ig_status find_format(const char *path, const ig_array_format **out) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
  ig_nearest_search search = ig_nearest_begin(dot ? dot : "");
  for (int i = 0; i < IG_COUNT(formats); i++) {
    if (dot && strcasecmp(dot, formats[i]->extension) == 0) {
      *out = formats[i];
      return IG_OK;
    }
    ig_nearest_offer(&search, formats[i]->extension);
  }
  return ig_fail(IG_ERR_USAGE,
                 "%s: '%s' is no format to write%s%s%s (valid: .h5, .csv, .npy, .npz)", path,
                 dot ? dot : "", search.best ? "; did you mean '" : "",
                 search.best ? search.best : "", search.best ? "'?" : "");
}

ig_status ig_array_writer_check(const char *path, int n_arrays) {
  const ig_array_format *format;
  IG_TRY(find_format(path, &format));
  IG_CHECK(format != &ig_array_format_npy || n_arrays == 1, IG_ERR_USAGE,
           "%s: a .npy file holds one array, but there are %d; .npz and .h5 hold several", path,
           n_arrays);
  IG_CHECK(n_arrays >= 1 && n_arrays <= IG_MOST_ARRAYS, IG_ERR_USAGE,
           "%s: %d arrays, expected 1 to %d", path, n_arrays, IG_MOST_ARRAYS);
  return IG_OK;
}

ig_shape ig_array_whole_shape(const ig_array_writer *writer, int array) {
  const ig_shape *row = &writer->arrays[array].shape;
  if (writer->whole) return *row;
  ig_shape shape = {.rank = row->rank + 1, .dims = {writer->rows}};
  memcpy(shape.dims + 1, row->dims, (size_t)row->rank * sizeof *row->dims);
  return shape;
}

ig_status ig_array_write_at(const ig_array_writer *writer, const void *bytes, size_t size,
                            uint64_t offset) {
  const char *at = bytes;
  while (size > 0) {
    ssize_t wrote = pwrite(writer->partial.fd, at, size, (off_t)offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote == 0) errno = ENOSPC;
    if (wrote <= 0) return ig_fail_errno("write", writer->partial.target);
    at += wrote;
    offset += (uint64_t)wrote;
    size -= (size_t)wrote;
  }
  return IG_OK;
}

static ig_status describe(ig_array_writer *w, const char *path, const ig_array *arrays) {
  for (int i = 0; i < w->n; i++) {
    const ig_array *array = &arrays[i];
    w->arrays[i] = *array;
    IG_CHECK(w->whole || array->shape.rank < IG_MAX_RANK, IG_ERR_SHAPE, "%s: array '%s' has %d dimensions",
             path, array->name, array->shape.rank);
    bool known = (ig_dtype_is_float(array->dtype) && array->dtype != IG_BF16) ||
                 ig_dtype_is_int(array->dtype) || array->dtype == IG_BOOL;
    IG_CHECK(known, IG_ERR_UNSUPPORTED,
             "%s: array '%s' is %s, which such files do not have", path, array->name,
             ig_dtype_name(array->dtype));
    ig_shape whole = ig_array_whole_shape(w, i);
    IG_TRY(ig_shape_check(&whole, array->dtype));
    w->row_bytes[i] = ig_shape_bytes(&array->shape, array->dtype);
  }
  return IG_OK;
}

static ig_status open_writer(const char *path, bool whole, int64_t rows, int n_arrays,
                             const ig_array *arrays, ig_array_writer **out) {
  IG_TRY(ig_array_writer_check(path, n_arrays));
  ig_array_writer *w = ig_alloc_zero(1, sizeof *w);
  IG_CHECK_ALLOC(w);
  w->rows = rows;
  w->whole = whole;
  w->n = n_arrays;
  ig_status status = find_format(path, &w->format);
  if (status == IG_OK) status = describe(w, path, arrays);
  if (status == IG_OK) status = ig_partial_open(path, &w->partial);
  if (status != IG_OK) {
    ig_free(w);
    return status;
  }
  status = w->format->open(w);
  if (status != IG_OK) return ig_array_writer_close(w, status);
  *out = w;
  return IG_OK;
}

ig_status ig_array_writer_open(const char *path, int64_t rows, int n_arrays, const ig_array *arrays,
                               ig_array_writer **out) {
  return open_writer(path, false, rows, n_arrays, arrays, out);
}

ig_status ig_array_writer_open_whole(const char *path, int n_arrays, const ig_array *arrays,
                                     ig_array_writer **out) {
  const ig_array_format *format = NULL;
  IG_TRY(find_format(path, &format));
  IG_CHECK(format == &ig_array_format_npy || format == &ig_array_format_npz, IG_ERR_USAGE,
           "%s: arrays of any shape are written as .npz, or one as .npy", path);
  return open_writer(path, true, 1, n_arrays, arrays, out);
}

ig_status ig_array_writer_append(ig_array_writer *w, const void *const *data, int64_t rows) {
  IG_CHECK(rows >= 0 && rows <= w->rows - w->done, IG_ERR_INTERNAL,
           "%s: %lld rows beyond the %lld announced", w->partial.target, (long long)rows,
           (long long)w->rows);
  IG_TRY(w->format->append(w, data, rows));
  w->done += rows;
  return IG_OK;
}

ig_status ig_array_writer_close(ig_array_writer *w, ig_status status) {
  if (status == IG_OK && w->done != w->rows) {
    status = ig_fail(IG_ERR_INTERNAL, "%s: %lld rows of %lld", w->partial.target,
                     (long long)w->done, (long long)w->rows);
  }
  if (status == IG_OK) status = w->format->finish(w);
  w->format->release(w);
  if (status == IG_OK && fsync(w->partial.fd) != 0 && errno != EINVAL) {
    status = ig_fail_errno("write", w->partial.target);
  }
  status = ig_partial_close(&w->partial, status);
  ig_free(w);
  return status;
}
