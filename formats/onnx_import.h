/* From an ONNX file to a template graph. Names stay; operators older than the descriptors' versions are
 * rewritten (onnx_upgrade.h); functions are inlined; bodies of control flow get what they read of the
 * graph around them as inputs. */
#ifndef IG_FORMATS_ONNX_IMPORT_H
#define IG_FORMATS_ONNX_IMPORT_H

#include "engine/graph/graph.h"
#include "formats/onnx_model.h"

typedef struct ig_onnx_import_options {
  /* A folder from which external data may come besides the model's own; NULL for none. */
  const char *data_root;
} ig_onnx_import_options;

/* `options` may be NULL. The graph is deferred. Its parameters and constants point into the model's file,
 * which must stay open as long as the graph lives. What Ingot lacks is reported in one list:
 * IG_ERR_UNSUPPORTED. */
ig_status ig_onnx_import(ig_onnx_model *model, const ig_onnx_import_options *options,
                         ig_graph **out);

#endif
