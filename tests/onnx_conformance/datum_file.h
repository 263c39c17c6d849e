/* Files with one TensorProto, SequenceProto or OptionalProto: the inputs and outputs of the ONNX project's
 * tests. */
#ifndef IG_TESTS_ONNX_DATUM_FILE_H
#define IG_TESTS_ONNX_DATUM_FILE_H

#include "engine/graph/datum.h"
#include "formats/onnx_model.h"

/* What the file holds is not said in it: `type` is that of the graph's input or output, NULL for a tensor. The
 * caller releases *out. */
ig_status datum_file_read(const char *path, const ig_onnx_type *type, ig_datum **out);

#endif
