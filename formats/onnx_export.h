/* From a template graph to an ONNX file. Names of inputs, outputs, parameters and states stay; what the
 * chosen opset lacks is written as older operators (onnx_downgrade.h); what ONNX lacks is refused, all of it
 * in one list. */
#ifndef IG_FORMATS_ONNX_EXPORT_H
#define IG_FORMATS_ONNX_EXPORT_H

#include "engine/graph/graph.h"
#include "engine/train/snapshot.h"
#include "formats/onnx_model.h"

#define IG_ONNX_OLDEST_EXPORT 13
#define IG_ONNX_NEWEST 27 /* of ONNX's opsets */

/* Normalisation inside the model: the input takes what the data hold. */
typedef struct ig_onnx_preprocess {
  int32_t input;  /* index */
  ig_dtype dtype; /* of the data: u8 images, else as the input has it */
  const ig_normalization *normalization; /* NULL: the type alone differs */
} ig_onnx_preprocess;

typedef enum ig_onnx_head { IG_ONNX_PLAIN, IG_ONNX_SOFTMAX, IG_ONNX_SIGMOID } ig_onnx_head;

typedef struct ig_onnx_export_options {
  /* Of ONNX's own operators; 0 for the least from 18 on, and from that of `source` on, which has all of them
   * as they are. */
  int64_t opset;
  /* A file beside the model for the weights, by its name alone. NULL: within the model as long as that
   * stays below 2 GiB, then "<model>.data". */
  const char *external;
  /* Values of parameters and states; NULL where they are the graph's own (IG_INIT_DATA). */
  const ig_snapshot *snapshot;
  /* The file that the graph was imported from: says the types of inputs and outputs. May be NULL. */
  const ig_onnx_message *source;
  /* The same, where weights lie in it: its pages are let go as they are written. May be NULL. */
  const ig_onnx_model *from;
  /* Bytes of a model from which its weights go outside though `external` is NULL; 0 for what the format allows. */
  size_t largest;
  int n_preprocess;
  const ig_onnx_preprocess *preprocess;
  ig_onnx_head head; /* over the last dimension of output 0, which becomes "probabilities" */
  int64_t n_metadata;
  const ig_onnx_entry *metadata; /* beside what is written of ourselves */
} ig_onnx_export_options;

/* What was written. */
typedef struct ig_onnx_exported {
  int64_t opset;
  int64_t n_nodes; /* bodies included */
  size_t weights;  /* bytes of initializers */
  bool external;
} ig_onnx_exported;

/* `options` may be NULL. Fails with IG_ERR_UNSUPPORTED and the list of what the opset cannot say, with
 * IG_ERR_IO as ig_onnx_write. The bytes of weights are read where they lie. */
ig_status ig_onnx_export(const ig_graph *graph, const ig_onnx_export_options *options, const char *path,
                         ig_onnx_exported *out);

#endif
