/* Writes messages of onnx.proto, by the tables that the reader has, and whole model files. */
#ifndef IG_FORMATS_ONNX_WRITE_H
#define IG_FORMATS_ONNX_WRITE_H

#include "formats/onnx_schema.h"

/* What protobuf's readers take at most. */
#define IG_ONNX_LARGEST ((size_t)INT32_MAX)

/* Weights in a file of their own beside the model's. */
typedef struct ig_onnx_outside {
  const char *location; /* the file's name, without a folder */
  int64_t n;
  struct ig_onnx_piece {
    const void *data;
    size_t size;
    uint64_t offset; /* ascending */
  } *pieces;
} ig_onnx_outside;

/* Bytes that the message has in a file. */
ig_status ig_onnx_measure(const ig_onnx_schema *schema, const void *message, size_t *size);
/* Writes the model, and `outside` unless NULL or empty, streamed from where the bytes lie; those of `from` (or
 * NULL) need not stay in memory once they are written. Both are
 * complete on the disk before either takes the place of an older file; on failure the older ones stay.
 * Fails with IG_ERR_IO naming the file, and with IG_ERR_UNSUPPORTED for a model of more than
 * IG_ONNX_LARGEST. */
ig_status ig_onnx_write(const char *path, const ig_onnx_message *model, const ig_onnx_outside *outside,
                        const ig_onnx_model *from);

#endif
