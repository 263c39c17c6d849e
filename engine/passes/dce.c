/* Dead code elimination: nodes of which no output is read, returned or assigned go, from the last to
 * the first, so that one sweep removes whole chains. */
#include "engine/passes/pass.h"

static bool is_dead(const ig_graph *graph, const ig_node *node) {
  for (int i = 0; i < node->n_outputs; i++) {
    if (ig_value_use_count(graph, node->outputs[i]) > 0) return false;
  }
  return true;
}

static ig_status dce_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  for (int32_t i = graph->n_nodes - 1; i >= 0; i--) {
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node) || !is_dead(graph, node)) continue;
    ig_node_remove(graph, node);
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_dce = {
    .name = "dce",
    .what = "remove nodes whose outputs nothing uses",
    .run = dce_run,
};
