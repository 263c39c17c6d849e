/* What scikit-learn's exporter writes of the domain ai.onnx.ml beside models (onnx_classic.c), as operators that plans
 * hold. Maps are no kind of value here: ZipMap, which makes one of each row of probabilities, hands the rows on as
 * they are. */
#include "formats/onnx_import_parts.h"

ig_status ig_onnx_zip_map(ig_onnx_call *call) {
  call->op = "Identity";
  call->n_attrs = 0;
  return IG_OK;
}

/* Numbers picked from a vector are one row of a Gather; texts are the interpreter's. */
ig_status ig_onnx_array_feature_extractor(ig_onnx_call *call) {
  static const int64_t row[] = {1, -1};
  ig_graph *g = call->graph;
  if (call->n_in != 2 || call->n_out != 1) return IG_OK;
  const ig_value *x = call->in[0];
  bool vector = x && x->kind != IG_VALUE_RESULT && !x->any_shape && x->shape.rank == 1;
  if (!vector || x->dtype == IG_STRING || x->dtype == IG_NONE) return IG_OK;
  ig_value *places = ig_op1(g, "Reshape", NULL, IG_INS(call->in[1], ig_graph_const_i64s(g, 2, row)), IG_NO_ATTRS);
  ig_node *made = ig_graph_node_named(g, "Gather", call->name, IG_INS(call->in[0], places), IG_NO_ATTRS, 1,
                                      call->out_names);
  IG_TRY(ig_graph_status(g));
  call->out[0] = made->outputs[0];
  call->done = true;
  return IG_OK;
}
