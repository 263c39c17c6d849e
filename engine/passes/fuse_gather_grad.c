/* The gradient of a tied embedding is that of the output matrix plus that of the lookup. The sum
 * Add(g, GatherGrad(dy, indices)) becomes GatherGrad(dy, indices, g), which adds the looked-up rows
 * into g in place: a table of vocabulary x width less to fill, add and keep. */
#include "engine/passes/rewrite.h"

static ig_status fuse(ig_graph *graph, ig_node *add, ig_node *lookup, ig_value *base) {
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(lookup, attrs);
  ig_node *fused =
      ig_graph_node(graph, "ingot.GatherGrad", lookup->name,
                    IG_INS(lookup->inputs[0], lookup->inputs[1], base), n_attrs, attrs, 1);
  IG_TRY(ig_graph_status(graph));
  fused->forward = lookup->forward;
  IG_TRY(ig_node_replace(graph, add, fused, 1));
  ig_node_remove(graph, lookup);
  return IG_OK;
}

static ig_status fuse_gather_grad_run(ig_graph *graph, const ig_pass_options *options,
                                      int *changes) {
  IG_UNUSED(options);
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *add = graph->nodes[i];
    if (!ig_node_is_live(add) || !ig_node_is(add, "Add")) continue;
    for (int side = 0; side < 2; side++) {
      ig_node *lookup = ig_sole_producer(graph, add->inputs[side], "ingot.GatherGrad");
      ig_value *base = add->inputs[1 - side];
      if (!lookup || lookup->n_inputs > 2 || base->dtype != add->outputs[0]->dtype ||
          !ig_shape_equal(&base->shape, &lookup->outputs[0]->shape)) {
        continue;
      }
      IG_TRY(fuse(graph, add, lookup, base));
      (*changes)++;
      break;
    }
  }
  return IG_OK;
}

const ig_pass ig_pass_fuse_gather_grad = {
    .name = "fuse_gather_grad",
    .what = "add the gradient of an embedding lookup in place to the rest of the table's gradient",
    .run = fuse_gather_grad_run,
};
