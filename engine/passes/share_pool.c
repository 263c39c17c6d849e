/* The gradient of MaxPool asks ingot.MaxPool where the maxima were, which finds the maxima again: the
 * two become the one that gives both. After autodiff. */
#include <string.h>

#include "engine/ops/pooling.h"
#include "engine/passes/rewrite.h"

static bool same_windows(const ig_node *a, const ig_node *b) {
  ig_window left, right;
  ig_shape left_shape, right_shape;
  return ig_pool_shape(a, &left, &left_shape) == IG_OK &&
         ig_pool_shape(b, &right, &right_shape) == IG_OK &&
         memcmp(&left, &right, sizeof left) == 0 && ig_shape_equal(&left_shape, &right_shape);
}

/* The MaxPool whose maxima `taps` finds too, or NULL. */
static ig_node *same_pool(const ig_graph *graph, const ig_node *taps) {
  const ig_value *x = taps->inputs[0];
  for (int32_t i = 0; i < x->n_uses; i++) {
    ig_node *node = x->uses[i].node;
    if (!ig_node_is(node, "MaxPool") || !same_windows(node, taps)) continue;
    bool indices = node->n_outputs > 1 && ig_value_use_count(graph, node->outputs[1]) > 0;
    if (!indices) return node;
  }
  return NULL;
}

static ig_status share_pool_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *taps = graph->nodes[i];
    if (!ig_node_is_live(taps) || !ig_node_is(taps, "ingot.MaxPool")) continue;
    ig_node *pool = same_pool(graph, taps);
    if (!pool) continue;
    IG_TRY(ig_node_replace(graph, pool, taps, 1));
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_share_pool = {
    .name = "share_pool",
    .what = "one pooling for the maxima and their places",
    .run = share_pool_run,
};
