/* .h5: a dataset an array, contiguous, written in slabs of rows. */
#include "formats/array_writer_format.h"

#include <string.h>
#include <unistd.h>

#include "engine/base/memory.h"
#include "formats/hdf5.h"

typedef struct h5_state {
  ig_h5_file *file;
  hid_t types[IG_MOST_ARRAYS], datasets[IG_MOST_ARRAYS]; /* 0 while not made */
} h5_state;

static void dims_of(const ig_shape *shape, hsize_t dims[IG_MAX_RANK]) {
  for (int d = 0; d < shape->rank; d++) dims[d] = (hsize_t)shape->dims[d];
}

static ig_status make_dataset(ig_array_writer *w, int i) {
  h5_state *s = w->state;
  ig_shape shape = ig_array_whole_shape(w, i);
  hsize_t dims[IG_MAX_RANK];
  dims_of(&shape, dims);
  s->types[i] = ig_h5_file_type(w->arrays[i].dtype);
  hid_t space = H5Screate_simple(shape.rank, dims, NULL);
  if (s->types[i] >= 0 && space >= 0) {
    s->datasets[i] = H5Dcreate2(s->file->id, w->arrays[i].name, s->types[i], space, H5P_DEFAULT,
                                H5P_DEFAULT, H5P_DEFAULT);
  }
  if (space >= 0) H5Sclose(space);
  if (s->datasets[i] > 0) return IG_OK;
  return ig_h5_fail(s->file, IG_ERR_IO, "cannot make the dataset '%s'", w->arrays[i].name);
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
