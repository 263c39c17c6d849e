/* ReduceMean over all of [N, C, spatial...] but N and C, as exporters write the mean of each channel, becomes
 * GlobalAveragePool, which reads channels in the layout that convolutions leave them in. Without keepdims a Reshape
 * follows. Before autodiff. */
#include "engine/passes/rewrite.h"

/* Whether the node takes the mean over dimensions 2 and up of a tensor that poolings take. */
static bool is_channel_mean(const ig_node *node) {
  int64_t axes[IG_MAX_RANK];
  int n = 0;
  unsigned seen = 0;
  if (!ig_node_is(node, "ReduceMean") || node->n_inputs < 2 || !ig_value_is_const(node->inputs[1])) return false;
  const ig_value *x = node->inputs[0], *list = node->inputs[1];
  int rank = x->shape.rank;
  if (rank != 4 || !ig_dtype_is_float(x->dtype) || list->dtype != IG_I64 || ig_value_count(list) != rank - 2) {
    return false;
  }
  if (ig_value_const_ints(list, "axes", IG_MAX_RANK, axes, &n) != IG_OK) return false;
  for (int i = 0; i < n; i++) seen |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
  return seen == ((1u << rank) - 1 - 3) && ig_value_count(x) > 0;
}

static ig_status recognise_pool_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node) || !is_channel_mean(node)) continue;
    const ig_shape *y = &node->outputs[0]->shape;
    ig_value *mean = ig_op1(graph, "GlobalAveragePool", node->name, IG_INS(node->inputs[0]), IG_NO_ATTRS);
    if (mean && !ig_shape_equal(&mean->shape, y)) {
      mean = ig_op1(graph, "Reshape", NULL,
                    IG_INS(mean, ig_graph_const_i64s(graph, y->rank, y->dims)), IG_NO_ATTRS);
    }
    IG_TRY(ig_graph_status(graph));
    IG_TRY(ig_value_replace(graph, node->outputs[0], mean));
    ig_node_remove(graph, node);
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_recognise_pool = {
    .name = "recognise_pool",
    .what = "the mean of each channel as a pooling",
    .run = recognise_pool_run,
};
