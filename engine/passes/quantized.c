/* Reading and making QuantizeLinear and DequantizeLinear; see quantized.h. */
#include "engine/passes/quantized.h"

#include <math.h>

#include "kernels/lib/onednn.h"

bool ig_int8_pays(const ig_pass_options *options) {
  return options->device == IG_CPU && !options->training && ig_dnn_quantizes();
}

static bool is_eight(ig_dtype dtype) { return dtype == IG_I8 || dtype == IG_U8; }

bool ig_coded_read(const ig_node *node, ig_coded *out) {
  bool encodes = ig_node_is(node, "QuantizeLinear");
  if (!encodes && !ig_node_is(node, "DequantizeLinear")) return false;
  ig_value *codes = encodes ? node->outputs[0] : node->inputs[0];
  const ig_value *real = encodes ? node->inputs[0] : node->outputs[0];
  const ig_value *scale = node->inputs[1], *zero = node->n_inputs > 2 ? node->inputs[2] : NULL;
  int64_t precision = ig_attr_int_of(node, "precision", 0);
  if (!is_eight(codes->dtype) || real->dtype != IG_F32 || precision > 1) return false;
  if (!ig_value_is_const(scale) || ig_value_count(scale) != 1 || scale->dtype != IG_F32) {
    return false;
  }
  if (zero && (!ig_value_is_const(zero) || ig_value_count(zero) != 1)) return false;
  *out = (ig_coded){codes, (float)ig_load_f64(IG_F32, scale->data, 0),
                    zero ? (int64_t)ig_load_f64(zero->dtype, zero->data, 0) : 0, codes->dtype};
  return isfinite(out->scale) && out->scale > 0;
}

bool ig_coded_source(const ig_value *value, ig_coded *out) {
  const ig_node *node = value && value->kind == IG_VALUE_RESULT ? value->producer : NULL;
  return ig_node_is(node, "DequantizeLinear") && ig_coded_read(node, out);
}

ig_node *ig_coded_sink(const ig_graph *graph, const ig_value *value, ig_coded *out) {
  ig_node *user = ig_sole_user(graph, value);
  return ig_node_is(user, "QuantizeLinear") && user->inputs[0] == value && ig_coded_read(user, out)
             ? user
             : NULL;
}

static ig_value *zero_of(ig_graph *graph, const ig_coded *as) {
  uint8_t byte = (uint8_t)as->zero; /* of either type */
  return ig_graph_const(graph, NULL, as->dtype, IG_SCALAR, &byte);
}

ig_value *ig_coded_decode(ig_graph *graph, ig_value *codes, const ig_coded *as) {
  return ig_op1(graph, "DequantizeLinear", NULL,
                IG_INS(codes, ig_graph_const_f32(graph, as->scale), zero_of(graph, as)),
                IG_NO_ATTRS);
}

ig_value *ig_coded_encode(ig_graph *graph, ig_value *real, const ig_coded *as) {
  return ig_op1(graph, "QuantizeLinear", NULL,
                IG_INS(real, ig_graph_const_f32(graph, as->scale), zero_of(graph, as)),
                IG_NO_ATTRS);
}
