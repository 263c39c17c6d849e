/* Tensors of ONNX files as ours: the type, the shape, and the bytes wherever they lie. */
#ifndef IG_FORMATS_ONNX_TENSOR_H
#define IG_FORMATS_ONNX_TENSOR_H

#include "engine/graph/graph.h"
#include "formats/onnx_model.h"

/* Bytes of the file where they can be used as they are, else in the model's arena. With `aligned` they are
 * copied when they lie at an address that their type does not allow. `root` as in ig_onnx_external.
 * IG_ERR_UNSUPPORTED for types that Ingot lacks (complex numbers). */
ig_status ig_onnx_literal(ig_onnx_model *model, const char *root, const ig_onnx_tensor *tensor,
                          bool aligned, ig_literal *out);
/* A sparse tensor, made dense. */
ig_status ig_onnx_dense(ig_onnx_model *model, const ig_onnx_sparse *sparse, ig_literal *out);

#endif
