/* Reading rows (the first dimension) of an HDF5 dataset. Chunked data is fetched raw and unpacked
 * here: the library's own filters trust the sizes that a file states, and a damaged file makes them
 * read or write past their buffers. Everything between ig_h5_enter and ig_h5_leave. */
#ifndef IG_FORMATS_HDF5_ROWS_H
#define IG_FORMATS_HDF5_ROWS_H

#include "formats/dataset_reader.h"
#include "formats/hdf5.h"

typedef struct ig_h5_rows ig_h5_rows;

/* `dataset` has passed ig_h5_check_dataset and is borrowed, like file and name; it holds numbers or
 * booleans (IG_ERR_INPUT otherwise) in either byte order. Unpacked chunks are kept up to
 * `cache_bytes`, at least one. */
ig_status ig_h5_rows_create(ig_h5_file *file, hid_t dataset, const char *name,
                            const ig_shape *shape, size_t cache_bytes, ig_h5_rows **out);
/* In which rows are delivered; integers of 16 bits and unsigned ones are widened (ig_raw_dtype). */
ig_dtype ig_h5_rows_dtype(const ig_h5_rows *rows);
/* Whether rows lie in chunks, each of which is unpacked as a whole. */
bool ig_h5_rows_chunked(const ig_h5_rows *rows);
void ig_h5_rows_destroy(ig_h5_rows *rows); /* NULL is allowed */
/* Looks up every chunk (up to a limit), reading nothing of them: for rehearsals. */
void ig_h5_rows_look_up(const ig_h5_rows *rows);
/* Rows [first, first + count), within the shape, in row-major order. */
ig_status ig_h5_rows_read(ig_h5_rows *rows, int64_t first, int64_t count, void *out);

#endif
