/* safetensors: named tensors behind a JSON header, and sets of such files ("shards") behind an index.
 * A file is 8 bytes (length of the header, little-endian), the header
 *
 *     {"__metadata__": {"key": "text", ...},
 *      "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
 *
 * which blanks may follow, and the tensors' bytes, row-major and little-endian, without holes and
 * overlaps (github.com/huggingface/safetensors, "Format"). Reading maps the file and copies nothing. */
#ifndef IG_FORMATS_SAFETENSORS_H
#define IG_FORMATS_SAFETENSORS_H

#include "engine/base/memory.h"
#include "engine/base/shape.h"

/* What the format allows a header. */
#define IG_SAFETENSORS_MOST_HEADER ((size_t)100000000)
/* More is no model; a header of nothing but tensors may hold a million of them. */
#define IG_SAFETENSORS_MOST_TENSORS 1000000
#define IG_SAFETENSORS_MOST_SHARDS 4096

typedef struct ig_safetensor {
  const char *name;
  ig_dtype dtype;
  ig_shape shape;
  const void *data; /* ig_shape_bytes(&shape, dtype) bytes at any alignment: copy by memcpy */
} ig_safetensor;

typedef struct ig_safetensors ig_safetensors;

/* Opens one file, or for a folder its model.safetensors, or else the shards that its
 * model.safetensors.index.json names: plain files in that folder, never behind a link. Fails with
 * IG_ERR_INPUT, naming file and tensor, for whatever is not the format; IG_ERR_UNSUPPORTED for an
 * element type or a rank that Ingot lacks. The caller releases *out, to which all tensors belong. */
ig_status ig_safetensors_open(const char *path, ig_safetensors **out);
void ig_safetensors_close(ig_safetensors *set); /* NULL is allowed */

/* In order of names. */
int64_t ig_safetensors_count(const ig_safetensors *set);
const ig_safetensor *ig_safetensors_at(const ig_safetensors *set, int64_t index);
const ig_safetensor *ig_safetensors_find(const ig_safetensors *set, const char *name);
/* A text of the (first) file's __metadata__, or NULL. */
const char *ig_safetensors_metadata(const ig_safetensors *set, const char *key);

/* The elements of a tensor that was read as another type, into `out`. Pages of the file go as they are copied. */
void ig_safetensor_copy(const ig_safetensor *tensor, ig_dtype dtype, void *out);

/* Writes a file of `count` tensors with names, dtypes and shapes as described, whose data is asked for
 * one after another; `data` of the descriptions is not read. `metadata` is a NULL-ended list of keys and
 * texts in turn, or NULL. Larger elements come first, so that all lie aligned. The file appears whole or
 * not at all (formats/checkpoint_files.h). Fails with IG_ERR_UNSUPPORTED for a dtype that the format lacks. */
typedef ig_status (*ig_safetensors_fetch)(void *context, int64_t index, const void **data);
ig_status ig_safetensors_write(const char *path, int64_t count, const ig_safetensor *tensors,
                               const char *const *metadata, ig_safetensors_fetch fetch,
                               void *context);

#endif
