/* What a file format is to the array writer; internal to formats/array_writer*.c. */
#ifndef IG_FORMATS_ARRAY_WRITER_FORMAT_H
#define IG_FORMATS_ARRAY_WRITER_FORMAT_H

#include "formats/array_writer.h"
#include "formats/checkpoint_files.h"

#define IG_MOST_ARRAYS 4096

typedef struct ig_array_format {
  const char *extension; /* with the dot */
  ig_status (*open)(ig_array_writer *writer);
  ig_status (*append)(ig_array_writer *writer, const void *const *data, int64_t rows);
  /* Ends the content; what was written is synced by the caller. */
  ig_status (*finish)(ig_array_writer *writer);
  void (*release)(ig_array_writer *writer); /* of `state`, after finish or a failure */
} ig_array_format;

struct ig_array_writer {
  const ig_array_format *format;
  ig_partial partial;
  int64_t rows, done;
  bool whole; /* arrays without rows: one is appended */
  int n;
  ig_array arrays[IG_MOST_ARRAYS];
  size_t row_bytes[IG_MOST_ARRAYS];
  void *state; /* the format's */
};

extern const ig_array_format ig_array_format_npy, ig_array_format_npz, ig_array_format_h5,
    ig_array_format_csv;

/* Shape of the whole array: [rows, shape...]. */
ig_shape ig_array_whole_shape(const ig_array_writer *writer, int array);
/* All bytes at that offset of the partial file, or an error. */
ig_status ig_array_write_at(const ig_array_writer *writer, const void *bytes, size_t size,
                            uint64_t offset);

#endif
