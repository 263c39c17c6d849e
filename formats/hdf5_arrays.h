/* Arrays in HDF5 files: which of a file's datasets are meant, and what they hold. All of it
 * between ig_h5_enter and ig_h5_leave. */
#ifndef IG_FORMATS_HDF5_ARRAYS_H
#define IG_FORMATS_HDF5_ARRAYS_H

#include "formats/dataset_reader.h"
#include "formats/hdf5_rows.h"

typedef struct ig_h5_array {
  hid_t dataset;
  ig_h5_rows *rows; /* delivered as `dtype` */
  const char *path, *name; /* "/a/x" and "x" */
  ig_dtype dtype;
  ig_shape shape;          /* rank 1 at least */
  int kind; /* ig_field_kind that the attribute `kind` names, or -1 */
  int64_t n_classes, n_columns;
  const char *const *classes, *const *columns; /* attributes of fixed-length strings */
} ig_h5_array;

/* The paths of the arrays that source->arrays names, or of those at the root that look like
 * input and target. */
ig_status ig_h5_choose_arrays(ig_h5_file *file, const ig_source *source,
                              const ig_dataset_open_options *options, ig_arena *arena,
                              char *paths[IG_MAX_FIELDS], int *count);
ig_status ig_h5_array_open(ig_h5_file *file, const char *path, ig_arena *arena, ig_h5_array *out);
void ig_h5_array_close(ig_h5_array *array);
/* The list of strings in an attribute of an object; *out stays NULL when there is none. Variable-length
 * strings count as none: the library reads them through references that it does not check. */
ig_status ig_h5_strings(ig_h5_file *file, hid_t object, const char *name, ig_arena *arena,
                        int64_t *count, const char *const **out);

#endif
