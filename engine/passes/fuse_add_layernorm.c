/* A residual sum that a LayerNormalization reads becomes ingot.AddLayerNormalization, which gives
 * both the sum and its normalisation: the sum is read from memory once less, forward and backward. */
#include "engine/passes/rewrite.h"

static bool fits(const ig_node *norm) {
  if (!ig_node_is_live(norm) || !ig_node_is(norm, "LayerNormalization")) return false;
  const ig_node *add = norm->inputs[0]->producer;
  return norm->n_outputs == 1 && ig_node_is(add, "Add") &&
         ig_shape_equal(&add->inputs[0]->shape, &norm->inputs[0]->shape) &&
         ig_shape_equal(&add->inputs[1]->shape, &norm->inputs[0]->shape);
}

static ig_status fuse(ig_graph *graph, ig_node *add, ig_node *norm) {
  ig_value *in[] = {add->inputs[0], add->inputs[1], norm->inputs[1],
                    norm->n_inputs > 2 ? norm->inputs[2] : NULL};
  ig_node *fused =
      ig_graph_node(graph, "ingot.AddLayerNormalization", norm->name, 4, in,
                    IG_ATTRS(IG_INT("axis", ig_attr_int_of(norm, "axis", -1)),
                             IG_FLOAT("epsilon", ig_attr_float_of(norm, "epsilon", 1e-5f))),
                    2);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, norm->outputs[0], fused->outputs[1]));
  ig_node_remove(graph, norm);
  return ig_node_replace(graph, add, fused, 1);
}

static ig_status fuse_add_layernorm_run(ig_graph *graph, const ig_pass_options *options,
                                        int *changes) {
  IG_UNUSED(options);
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *norm = graph->nodes[i];
    if (!fits(norm)) continue;
    IG_TRY(fuse(graph, norm->inputs[0]->producer, norm));
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_fuse_add_layernorm = {
    .name = "fuse_add_layernorm",
    .what = "a residual sum and its layer normalisation as one operator",
    .run = fuse_add_layernorm_run,
};
