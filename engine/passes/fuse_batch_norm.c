/* Relu(BatchNormalization(x)) and Relu(BatchNormalization(x) + residual) become one
 * ingot.FusedBatchNormalization, which saves a reading and a writing of the activation each for the
 * sum and for ReLU, and as much again backward. */
#include "engine/passes/rewrite.h"

/* The BatchNormalization whose only reader is the one that asks, or NULL. */
static ig_node *sole_norm(const ig_graph *graph, const ig_value *value) {
  return ig_sole_producer(graph, value, "BatchNormalization");
}

/* The operand of a sum that is a BatchNormalization's result, or -1: of two, the one computed later, when
 * the other is ready. */
static int normed_operand(const ig_graph *graph, const ig_node *add) {
  int found = -1;
  for (int i = 0; i < 2; i++) {
    const ig_node *norm = sole_norm(graph, add->inputs[i]);
    const ig_value *other = add->inputs[1 - i];
    if (!norm || !ig_shape_equal(&other->shape, &add->inputs[i]->shape)) continue;
    if (found < 0 || norm->id > add->inputs[found]->producer->id) found = i;
  }
  return found;
}

static ig_status fuse(ig_graph *graph, ig_node *relu, ig_node *norm, ig_value *residual) {
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(norm, attrs), n_outputs = norm->n_outputs;
  ig_value *in[6] = {norm->inputs[0], norm->inputs[1], norm->inputs[2],
                     norm->inputs[3], norm->inputs[4], residual};
  ig_node *fused = ig_graph_node(graph, "ingot.FusedBatchNormalization", norm->name, 6, in, n_attrs,
                                 attrs, n_outputs);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, relu->outputs[0], fused->outputs[0]));
  for (int i = 1; i < n_outputs; i++)
    IG_TRY(ig_value_replace(graph, norm->outputs[i], fused->outputs[i]));
  ig_node_remove(graph, relu);
  return IG_OK;
}

static ig_status fuse_relu(ig_graph *graph, ig_node *relu, int *changes) {
  ig_node *norm = sole_norm(graph, relu->inputs[0]);
  ig_node *add = ig_sole_producer(graph, relu->inputs[0], "Add");
  ig_value *residual = NULL;
  if (!norm && add) {
    int i = normed_operand(graph, add);
    if (i < 0) return IG_OK;
    norm = add->inputs[i]->producer;
    residual = add->inputs[1 - i];
  }
  if (!norm) return IG_OK;
  IG_TRY(fuse(graph, relu, norm, residual));
  if (residual) ig_node_remove(graph, add);
  ig_node_remove(graph, norm);
  (*changes)++;
  return IG_OK;
}

static ig_status fuse_batch_norm_run(ig_graph *graph, const ig_pass_options *options,
                                     int *changes) {
  IG_UNUSED(options);
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node) && ig_node_is(node, "Relu")) IG_TRY(fuse_relu(graph, node, changes));
  }
  return IG_OK;
}

const ig_pass ig_pass_fuse_batch_norm = {
    .name = "fuse_batch_norm",
    .what = "batch normalisation, a residual sum and ReLU as one operator",
    .run = fuse_batch_norm_run,
};
