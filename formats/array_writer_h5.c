/* .h5: a dataset an array, contiguous, written in slabs of rows. */
#include "formats/array_writer_format.h"

#include <string.h>
#include <unistd.h>

#include "engine/base/checked.h"
#include "engine/base/memory.h"
#include "formats/hdf5.h"

#define MOST_ATTRIBUTE_BYTES 60000

typedef struct h5_state {
  ig_h5_file *file;
  hid_t types[IG_MOST_ARRAYS], datasets[IG_MOST_ARRAYS]; /* 0 while not made */
} h5_state;

static void dims_of(const ig_shape *shape, hsize_t dims[IG_MAX_RANK]) {
  for (int d = 0; d < shape->rank; d++) dims[d] = (hsize_t)shape->dims[d];
}

/* Texts as an attribute of fixed-length strings; one text without a dimension. */
static ig_status put_texts(const ig_h5_file *file, hid_t dataset, const char *name, int64_t count,
                           const char *const *texts) {
  size_t width = 1;
  for (int64_t i = 0; i < count; i++) width = IG_MAX(width, strlen(texts[i]));
  size_t bytes;
  char *block = ig_mul_size(width, (size_t)count, &bytes) ? ig_alloc_zero(bytes, 1) : NULL;
  IG_CHECK(block, IG_ERR_MEMORY, "%s: no memory for the attribute '%s'", file->path, name);
  for (int64_t i = 0; i < count; i++) memcpy(block + (size_t)i * width, texts[i], strlen(texts[i]));
  hsize_t dims[1] = {(hsize_t)count};
  hid_t type = H5Tcopy(H5T_C_S1), attribute = -1;
  hid_t space = count > 1 ? H5Screate_simple(1, dims, NULL) : H5Screate(H5S_SCALAR);
  if (type >= 0 && space >= 0 && H5Tset_size(type, width) >= 0 &&
      H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0 && H5Tset_cset(type, H5T_CSET_UTF8) >= 0) {
    attribute = H5Acreate2(dataset, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  }
  bool wrote = attribute >= 0 && H5Awrite(attribute, type, block) >= 0;
  ig_status status =
      wrote ? IG_OK : ig_h5_fail(file, IG_ERR_IO, "cannot write the attribute '%s'", name);
  if (attribute >= 0) H5Aclose(attribute);
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  ig_free(block);
  return status;
}

/* An attribute has to fit into the object's header, beside everything else there: 64 KiB. Names that do
 * not are left out, as other writers do. */
static bool fits_header(const char *const *texts, int64_t count) {
  size_t width = 1;
  for (int64_t i = 0; i < count; i++) width = IG_MAX(width, strlen(texts[i]));
  return width * (size_t)count < MOST_ATTRIBUTE_BYTES;
}

static ig_status put_description(const ig_h5_file *file, hid_t dataset, const ig_array *array) {
  int64_t columns = array->columns ? ig_shape_count(&array->shape) : 0;
  if (array->kind) IG_TRY(put_texts(file, dataset, "kind", 1, &array->kind));
  if (array->labels && array->n_labels > 0 && fits_header(array->labels, array->n_labels)) {
    IG_TRY(put_texts(file, dataset, "classes", array->n_labels, array->labels));
  }
  if (columns > 0 && fits_header(array->columns, columns)) {
    IG_TRY(put_texts(file, dataset, "columns", columns, array->columns));
  }
  return IG_OK;
}

static ig_status make_dataset(ig_array_writer *w, int i) {
  h5_state *s = w->state;
  ig_shape shape = ig_array_whole_shape(w, i);
  hsize_t dims[IG_MAX_RANK];
  dims_of(&shape, dims);
  s->types[i] = ig_h5_file_type(w->arrays[i].dtype);
  hid_t space = H5Screate_simple(shape.rank, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
  /* Without the time: equal arrays make equal files. */
  bool ready = plist >= 0 && H5Pset_obj_track_times(plist, false) >= 0;
  if (ready && s->types[i] >= 0 && space >= 0) {
    s->datasets[i] = H5Dcreate2(s->file->id, w->arrays[i].name, s->types[i], space, H5P_DEFAULT,
                                plist, H5P_DEFAULT);
  }
  if (space >= 0) H5Sclose(space);
  if (plist >= 0) H5Pclose(plist);
  if (s->datasets[i] <= 0) {
    return ig_h5_fail(s->file, IG_ERR_IO, "cannot make the dataset '%s'", w->arrays[i].name);
  }
  return put_description(s->file, s->datasets[i], &w->arrays[i]);
}

static ig_status h5_open(ig_array_writer *w) {
  h5_state *s = w->state = ig_alloc_zero(1, sizeof *s);
  IG_CHECK(s, IG_ERR_MEMORY, "%s: out of memory", w->partial.target);
  int fd = dup(w->partial.fd); /* the partial file keeps its own, and with it its lock */
  if (fd < 0) return ig_fail_errno("open", w->partial.path);
  ig_h5_file *file;
  IG_TRY(ig_h5_create(w->partial.target, fd, &file));
  s->file = file;
  ig_h5_enter();
  ig_status status = IG_OK;
  for (int i = 0; i < w->n && status == IG_OK; i++) status = make_dataset(w, i);
  ig_h5_leave();
  return status;
}

static ig_status write_slab(ig_array_writer *w, int i, const void *data, int64_t rows) {
  h5_state *s = w->state;
  IG_TRY(ig_h5_headroom(w->partial.target));
  ig_shape shape = ig_array_whole_shape(w, i);
  hsize_t count[IG_MAX_RANK], start[IG_MAX_RANK] = {(hsize_t)w->done};
  dims_of(&shape, count);
  count[0] = (hsize_t)rows;
  hid_t space = H5Dget_space(s->datasets[i]), memory = H5Screate_simple(shape.rank, count, NULL);
  bool wrote = space >= 0 && memory >= 0 &&
               H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
               H5Dwrite(s->datasets[i], s->types[i], memory, space, H5P_DEFAULT, data) >= 0;
  ig_status status =
      wrote ? IG_OK : ig_h5_fail(s->file, IG_ERR_IO, "cannot write '%s'", w->arrays[i].name);
  if (space >= 0) H5Sclose(space);
  if (memory >= 0) H5Sclose(memory);
  return status;
}

static ig_status h5_append(ig_array_writer *w, const void *const *data, int64_t rows) {
  if (rows == 0) return IG_OK;
  ig_h5_enter();
  ig_status status = IG_OK;
  for (int i = 0; i < w->n && status == IG_OK; i++) status = write_slab(w, i, data[i], rows);
  ig_h5_leave();
  return status;
}

static void close_datasets(ig_array_writer *w) {
  h5_state *s = w->state;
  ig_h5_enter();
  for (int i = 0; i < w->n; i++) {
    if (s->datasets[i] > 0) H5Dclose(s->datasets[i]);
    if (s->types[i] > 0) H5Tclose(s->types[i]);
    s->datasets[i] = s->types[i] = 0;
  }
  ig_h5_leave();
}

static ig_status h5_finish(ig_array_writer *w) {
  h5_state *s = w->state;
  close_datasets(w);
  ig_h5_file *file = s->file;
  s->file = NULL;
  return ig_h5_finish(file);
}

static void h5_release(ig_array_writer *w) {
  h5_state *s = w->state;
  if (!s) return;
  close_datasets(w);
  ig_h5_close(s->file);
  ig_free(s);
}

const ig_array_format ig_array_format_h5 = {
    .extension = ".h5",
    .open = h5_open,
    .append = h5_append,
    .finish = h5_finish,
    .release = h5_release,
};
