/* Turns the inference form of a graph into its training form, before autodiff: BatchNormalization
 * normalises by the batch, and its new running statistics are assigned to the STATEs they came from;
 * Dropout draws masks. Left as they are: a BatchNormalization whose statistics are not STATE (frozen
 * constants of an imported model), and a Dropout with ratio 0. Outputs keep their shapes. */
#include <string.h>

#include "engine/passes/rewrite.h"

static ig_status train_batch_norm(ig_graph *graph, ig_node *node, int *changes) {
  ig_value *mean = node->inputs[3], *variance = node->inputs[4];
  if (mean->kind != IG_VALUE_STATE || variance->kind != IG_VALUE_STATE) return IG_OK;
  if (ig_attr_int_of(node, "training_mode", 0)) return IG_OK;
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(node, attrs);
  ig_attr_put(attrs, &n_attrs, IG_INT("training_mode", 1));
  ig_node *training = ig_graph_node(graph, "BatchNormalization", node->name, node->n_inputs,
                                    node->inputs, n_attrs, attrs, 3);
  IG_TRY(ig_graph_status(graph));
  ig_graph_assign(graph, mean, training->outputs[1]);
  ig_graph_assign(graph, variance, training->outputs[2]);
  (*changes)++;
  return ig_node_replace(graph, node, training, 1);
}

/* The mask output is there for the gradient. */
static ig_status train_dropout(ig_graph *graph, ig_node *node, int *changes) {
  double ratio, training = 0;
  IG_TRY(ig_value_const_scalar(node->n_inputs > 1 ? node->inputs[1] : NULL, "dropout ratio", 0.5,
                               &ratio));
  if (node->n_inputs > 2) {
    IG_TRY(ig_value_const_scalar(node->inputs[2], "training_mode", 0, &training));
  }
  if (ratio == 0 || training != 0) return IG_OK;
  uint8_t yes = 1;
  ig_value *on = ig_graph_const(graph, NULL, IG_BOOL, IG_SCALAR, &yes);
  ig_value *in[] = {node->inputs[0], ig_graph_const_f32(graph, (float)ratio), on};
  ig_node *random = ig_graph_node(graph, "Dropout", node->name, 3, in, IG_NO_ATTRS, 2);
  IG_TRY(ig_graph_status(graph));
  (*changes)++;
  return ig_node_replace(graph, node, random, node->n_outputs);
}

static ig_status train_mode_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  if (!options->training) return IG_OK;
  int32_t n_nodes = graph->n_nodes; /* nodes appended here are done already */
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is(node, "BatchNormalization")) IG_TRY(train_batch_norm(graph, node, changes));
    if (ig_node_is(node, "Dropout")) IG_TRY(train_dropout(graph, node, changes));
  }
  return *changes ? ig_graph_sort(graph) : IG_OK;
}

const ig_pass ig_pass_train_mode = {
    .name = "train_mode",
    .what = "batch statistics for BatchNormalization, masks for Dropout",
    .run = train_mode_run,
};
