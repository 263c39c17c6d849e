/* The NPY container (NumPy Enhancement Proposal 1, format versions 1 to 3), as .npy files and as
 * the members of .npz: a header of Python text, then the elements. */
#ifndef IG_FORMATS_NPY_H
#define IG_FORMATS_NPY_H

#include "formats/dataset_reader.h"

#define IG_NPY_MAGIC "\x93NUMPY"

typedef struct ig_npy {
  ig_raw_type raw;
  ig_dtype dtype; /* in which values are delivered */
  bool fortran;   /* first dimension fastest */
  ig_shape shape;
  size_t offset, bytes; /* of the elements in the file */
} ig_npy;

/* Reads the header of the `size` bytes at `data` and checks that the elements are all there. `name`
 * is for messages. */
ig_status ig_npy_parse(const char *name, const unsigned char *data, size_t size, ig_npy *out);
/* The same for arrays of samples, of rank 1 at least. */
ig_status ig_npy_parse_samples(const char *name, const unsigned char *data, size_t size, ig_npy *out);
/* The elements in row-major order: *values points into `data` when they lie there as needed,
 * otherwise to *block, allocated here (ig_free; at most `limit` bytes). */
ig_status ig_npy_values(const char *name, const ig_npy *npy, const unsigned char *data,
                        size_t limit, void **block, const void **values);
/* Writes a version 1 header (a multiple of 64 bytes) for row-major elements to `text`; returns its
 * length. Of IG_STRING the last dimension is the characters of a text, four bytes each. */
#define IG_NPY_HEADER_BYTES 512
size_t ig_npy_header(ig_dtype dtype, const ig_shape *shape, char text[IG_NPY_HEADER_BYTES]);

#endif
