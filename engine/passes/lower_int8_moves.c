/* Data movement on 8-bit codes: what only moves numbers, or picks the largest, is the same before and
 * behind a quantization with one scale. So DequantizeLinear goes behind it, and QuantizeLinear before it;
 * then both stand next to the operators that lower_int8 makes of them, bytes are moved instead of floats,
 * and a pair that has met with the same numbers is nothing. */
#include <string.h>

#include "engine/passes/quantized.h"

/* Input 0 is what they move. */
static const char *const movers[] = {"Reshape",      "Transpose",    "Flatten",  "Slice",
                                     "Squeeze",      "Unsqueeze",    "MaxPool",  "DepthToSpace",
                                     "SpaceToDepth", "Identity",     "Pad"};

static bool moves(const ig_node *node) {
  for (int i = 0; i < IG_COUNT(movers); i++) {
    if (!ig_node_is(node, movers[i])) continue;
    if (node->n_outputs != 1) return false;
    if (!ig_node_is(node, "Pad")) return true;
    double value = 0;
    bool constant = strcmp(ig_attr_string_of(node, "mode", "constant"), "constant") == 0;
    bool given = node->n_inputs > 2 && node->inputs[2];
    return !constant || !given || (ig_const_splat(node->inputs[2], &value) && value == 0);
  }
  return false;
}

/* The same movement of `codes`. Pads of 0 are the zero point. */
static ig_value *moved(ig_graph *graph, const ig_node *node, ig_value *codes, const ig_coded *as) {
  ig_value *in[8];
  ig_attr attrs[IG_MOST_ATTRS];
  int n = IG_MAX(node->n_inputs, ig_node_is(node, "Pad") ? 3 : 1);
  for (int i = 0; i < n; i++) in[i] = i < node->n_inputs ? node->inputs[i] : NULL;
  in[0] = codes;
  if (ig_node_is(node, "Pad")) {
    uint8_t byte = (uint8_t)as->zero; /* of either type */
    in[2] = ig_graph_const(graph, NULL, as->dtype, IG_SCALAR, &byte);
  }
  int n_attrs = ig_attr_list(node, attrs);
  return ig_op1(graph, node->op->name, node->name, n, in, n_attrs, attrs);
}

/* move(decode(x)) becomes decode(move(x)). */
static ig_status sink(ig_graph *graph, ig_node *node, int *changes) {
  ig_coded from;
  if (node->n_inputs > 8 || !ig_coded_source(node->inputs[0], &from)) return IG_OK;
  ig_value *codes = moved(graph, node, from.codes, &from);
  ig_value *real = ig_coded_decode(graph, codes, &from);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, node->outputs[0], real));
  ig_node_remove(graph, node);
  (*changes)++;
  return IG_OK;
}

/* encode(move(x)) becomes move(encode(x)), from the last mover of a chain to its first. */
static ig_status rise(ig_graph *graph, ig_node *node, int *changes) {
  ig_coded to;
  ig_node *encode = ig_coded_sink(graph, node->outputs[0], &to);
  if (!encode || node->n_inputs > 8) return IG_OK;
  ig_value *codes = moved(graph, node, ig_coded_encode(graph, node->inputs[0], &to), &to);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, encode->outputs[0], codes));
  ig_node_remove(graph, encode);
  ig_node_remove(graph, node);
  (*changes)++;
  return IG_OK;
}

/* encode(decode(x)) with the same numbers is x. */
static ig_status meet(ig_graph *graph, ig_node *node, int *changes) {
  ig_coded to, from;
  if (!ig_node_is(node, "QuantizeLinear") || !ig_coded_read(node, &to)) return IG_OK;
  if (!ig_coded_source(node->inputs[0], &from) || !ig_coded_alike(&to, &from)) return IG_OK;
  IG_TRY(ig_value_replace(graph, node->outputs[0], from.codes));
  ig_node_remove(graph, node);
  (*changes)++;
  return IG_OK;
}

static ig_status lower_int8_moves_run(ig_graph *graph, const ig_pass_options *options,
                                      int *changes) {
  if (!ig_int8_pays(options)) return IG_OK;
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node) && moves(node)) IG_TRY(sink(graph, node, changes));
  }
  for (int32_t i = n_nodes - 1; i >= 0; i--) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node) && moves(node)) IG_TRY(rise(graph, node, changes));
  }
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (ig_node_is_live(graph->nodes[i])) IG_TRY(meet(graph, graph->nodes[i], changes));
  }
  return IG_OK;
}

const ig_pass ig_pass_lower_int8_moves = {
    .name = "lower_int8_moves",
    .what = "movement of quantized tensors on their 8-bit codes (inference)",
    .run = lower_int8_moves_run,
};
