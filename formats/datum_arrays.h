/* Tensors by name, as files of arrays: what a graph of any inputs and outputs reads and writes. */
#ifndef IG_FORMATS_DATUM_ARRAYS_H
#define IG_FORMATS_DATUM_ARRAYS_H

#include "engine/graph/datum.h"

typedef struct ig_named_datum {
  const char *name;
  ig_dtype dtype;  /* wanted: IG_NONE for the array's own */
  ig_datum *datum; /* NULL where the file has no such array */
} ig_named_datum;

/* Reads the arrays of a .npz of these names, or a .npy that is the only one wanted, in their dtypes: numbers
 * are converted among integers and among floats, and fail where they do not fit. The caller releases the
 * data, also on failure. An array of another name fails, with the nearest that is wanted. */
ig_status ig_arrays_read(const char *path, int n, ig_named_datum *wanted);
/* Writes tensors as a .npz (or one as .npy). bf16 is written as f32, as NumPy has no such numbers; texts
 * as Unicode of the longest one's length; sequences and optionals are refused. */
ig_status ig_arrays_write(const char *path, int n, const ig_named_datum *arrays);

#endif
