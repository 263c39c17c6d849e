/* Samples in a mapped file as data set: element types are converted when a sample is read, so that no
 * more of the file is read than what is asked for, and nothing of it is held. */
#ifndef IG_FORMATS_RAW_ROWS_H
#define IG_FORMATS_RAW_ROWS_H

#include "formats/dataset_reader.h"

/* Where a field's samples lie: sample i's `count` elements are those of the array at `data` from
 * i * stride + first on, the one at `left_out` (-1 for none) passed over. */
typedef struct ig_raw_rows {
  const unsigned char *data; /* of any alignment */
  ig_raw_type raw;
  int64_t stride, first, count, left_out;
} ig_raw_rows;

/* `rows` has one entry a field of `description`, whose field dtypes are ig_raw_dtype's; the rest of it
 * as in ig_dataset_own_arrays. */
ig_status ig_raw_rows_create(const ig_dataset *description, const ig_raw_rows *rows,
                             void (*release)(void *owner), void *owner, ig_dataset **out);

#endif
