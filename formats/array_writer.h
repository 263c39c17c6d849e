/* Writes named arrays a few rows at a time: .npy, .npz, .h5 and .csv, chosen by the file's extension.
 * The file appears under its name when it is whole, and not at all otherwise. */
#ifndef IG_FORMATS_ARRAY_WRITER_H
#define IG_FORMATS_ARRAY_WRITER_H

#include "engine/base/shape.h"

/* One array of [rows, shape...]. Pointers are borrowed while the writer lives. */
typedef struct ig_array {
  const char *name;
  ig_dtype dtype; /* not bf16 */
  ig_shape shape; /* of one row */
  /* A name for each number of a row (CSV's header, HDF5's attribute `columns`); NULL for none. */
  const char *const *columns;
  /* Words for the values 0 to n_labels - 1 (written in CSV, HDF5's attribute `classes`), or NULL. */
  const char *const *labels;
  int64_t n_labels;
  bool texts; /* of .npy and .npz: dtype is u32, code points, and the last dimension a text's, filled with zeros */
  const char
      *kind; /* HDF5's attribute `kind`: what a field holds, for reading it as data; or NULL */
} ig_array;

typedef struct ig_array_writer ig_array_writer;

/* Fails with IG_ERR_USAGE for another extension, naming the valid ones. A .npy file takes exactly one
 * array. Nothing is written yet. */
ig_status ig_array_writer_check(const char *path, int n_arrays);
/* `rows` is how many will be written. */
ig_status ig_array_writer_open(const char *path, int64_t rows, int n_arrays, const ig_array *arrays,
                               ig_array_writer **out);
/* For arrays that have no rows in common: their shapes are whole ones, scalars too, and they are appended
 * once, as one row. .npy and .npz alone. */
ig_status ig_array_writer_open_whole(const char *path, int n_arrays, const ig_array *arrays,
                                     ig_array_writer **out);
/* data[i] holds `rows` rows of array i, row-major. */
ig_status ig_array_writer_append(ig_array_writer *writer, const void *const *data, int64_t rows);
/* With `status` IG_OK and all rows written, the file takes its place; otherwise nothing is left.
 * Returns `status` or the first failure. Releases the writer. */
ig_status ig_array_writer_close(ig_array_writer *writer, ig_status status);

#endif
