/* Reads one message of the wire format into its struct. */
#ifndef IG_FORMATS_ONNX_READ_H
#define IG_FORMATS_ONNX_READ_H

#include "formats/onnx_schema.h"

/* `out`, zeroed and of schema->size, points into `bytes` and `arena` afterwards. Unknown fields are
 * skipped. Fails with IG_ERR_INPUT naming the byte, or IG_ERR_MEMORY beyond 64 MiB and 24 times `size`. */
ig_status ig_onnx_read(const char *path, const void *bytes, size_t size,
                       const ig_onnx_schema *schema, ig_arena *arena, void *out);

#endif
