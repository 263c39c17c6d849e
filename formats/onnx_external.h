/* Weights outside the model's file. Such files are opened beneath one folder only and through no link,
 * since a name in a model is not to be trusted: paths that leave the folder, symbolic links on the way,
 * files with other hard links and what is no plain file are refused. */
#ifndef IG_FORMATS_ONNX_EXTERNAL_H
#define IG_FORMATS_ONNX_EXTERNAL_H

#include "formats/onnx_model.h"

/* The `bytes` bytes of a tensor with location 1, mapped; borrowed from the model. `root` is the folder:
 * NULL for the model's own. */
ig_status ig_onnx_external(ig_onnx_model *model, const char *root, const ig_onnx_tensor *tensor,
                           size_t bytes, const unsigned char **out);

/* A file that stays mapped as long as the model lives. */
typedef struct ig_onnx_mapping {
  struct ig_onnx_mapping *next;
  const char *location; /* NULL for the model's own file */
  void *data;
  size_t size;
} ig_onnx_mapping;

/* Opens a file beneath a folder for reading, as described above; its descriptor, or -1 with errno set
 * (ELOOP for a link, EXDEV for a path that leaves the folder, EMLINK for another hard link). */
int ig_open_beneath(const char *folder, const char *path);

#endif
