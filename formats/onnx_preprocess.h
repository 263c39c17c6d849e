/* What an exported model does itself beside the network: normalisation of its inputs, probabilities. */
#ifndef IG_FORMATS_ONNX_PREPROCESS_H
#define IG_FORMATS_ONNX_PREPROCESS_H

#include "formats/onnx_export_parts.h"

/* Before the nodes: inputs with options.preprocess are renamed inside, and normalised into what the nodes
 * read. */
ig_status ig_onnx_preprocess_inputs(ig_onnx_block *block);
/* After the nodes: the types of those inputs, and the head over output 0. */
ig_status ig_onnx_finish_borders(ig_onnx_block *block, ig_onnx_graph *made);

#endif
