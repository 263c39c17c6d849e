/* One projection to queries, keys and values, split in three for Attention: ingot.Attention
 * reads the projection where it lies, by strides, and its gradient is that of the whole
 * projection. Neither the split nor the joining of three gradients is left. Before autodiff. */
#include "engine/ops/heads.h"
#include "engine/passes/rewrite.h"

/* The projection whose parts are the attention's first three inputs, in order, or NULL. */
static ig_node *split_of(const ig_graph *graph, const ig_node *attention) {
  const ig_value *const *in = (const ig_value *const *)attention->inputs;
  ig_node *split = in[0]->producer;
  if (!split || !ig_node_is(split, "Split") || split->n_outputs != 3) return NULL;
  const ig_value *x = split->inputs[0];
  int64_t axis = ig_attr_int_of(split, "axis", 0);
  if (x->shape.rank != 3 || (axis != 2 && axis != -1)) return NULL;
  for (int i = 0; i < 3; i++) {
    if (in[i] != split->outputs[i] || ig_value_use_count(graph, in[i]) != 1) return NULL;
  }
  return split;
}

static const ig_value *input_of(const ig_node *node, int i) {
  return node->n_inputs > i ? node->inputs[i] : NULL;
}

/* Nothing that only Attention has, and parts of one head size. */
static bool fits(const ig_node *attention) {
  const ig_heads_attrs *a = IG_ATTRS_OF(ig_heads_attrs, attention);
  if (attention->n_outputs != 1 || input_of(attention, 4)) return false;
  if (a->q_num_heads < 1 || a->kv_num_heads < 1) return false;
  int64_t size = attention->inputs[0]->shape.dims[2] / a->q_num_heads;
  return attention->inputs[1]->shape.dims[2] == a->kv_num_heads * size &&
         attention->inputs[2]->shape.dims[2] == a->kv_num_heads * size;
}

static ig_status pack(ig_graph *graph, ig_node *attention, ig_node *split) {
  ig_attr list[IG_HEADS_ATTRS];
  ig_heads_attr_list(attention, list);
  ig_value *mask = (ig_value *)input_of(attention, 3),
           *lengths = (ig_value *)input_of(attention, 6);
  ig_node *packed =
      ig_graph_node(graph, "ingot.Attention", attention->name,
                    IG_INS(split->inputs[0], NULL, NULL, mask, lengths), IG_HEADS_ATTRS, list, 2);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_node_replace(graph, attention, packed, 1));
  ig_node_remove(graph, split);
  return IG_OK;
}

static ig_status pack_attention_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node) || !ig_node_is(node, "Attention")) continue;
    ig_node *split = split_of(graph, node);
    if (!split || !fits(node)) continue;
    IG_TRY(pack(graph, node, split));
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_pack_attention = {
    .name = "pack_attention",
    .what = "attention reads one packed projection",
    .run = pack_attention_run,
};
