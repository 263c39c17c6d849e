/* The gradients of MaxPool and Attention ask a second operator for what they need (ingot.MaxPool
 * for the places of maxima, ingot.Attention for sums of exponentials), which makes the result
 * again: the two become the one that gives both. After autodiff. */
#include <string.h>

#include "engine/ops/heads.h"
#include "engine/ops/pooling.h"
#include "engine/passes/rewrite.h"

static bool same_windows(const ig_node *a, const ig_node *b) {
  ig_window left, right;
  ig_shape left_shape, right_shape;
  return ig_pool_shape(a, &left, &left_shape) == IG_OK &&
         ig_pool_shape(b, &right, &right_shape) == IG_OK &&
         memcmp(&left, &right, sizeof left) == 0 && ig_shape_equal(&left_shape, &right_shape);
}

static const ig_value *input_of(const ig_node *node, int i) {
  return node->n_inputs > i ? node->inputs[i] : NULL;
}

/* Attention (a) has mask and lengths as inputs 3 and 6, ingot.Attention (b) as 3 and 4. */
static bool same_attention(const ig_node *a, const ig_node *b) {
  const ig_heads_attrs *x = IG_ATTRS_OF(ig_heads_attrs, a), *y = IG_ATTRS_OF(ig_heads_attrs, b);
  for (int i = 0; i < 4; i++) {
    if (input_of(a, i) != input_of(b, i)) return false;
  }
  return input_of(a, 6) == input_of(b, 4) && !input_of(a, 4) && x->is_causal == y->is_causal &&
         x->q_num_heads == y->q_num_heads && x->kv_num_heads == y->kv_num_heads &&
         x->scale == y->scale && x->softcap == y->softcap;
}

static const struct {
  const char *plain, *full; /* `full` gives what `plain` gives, and more */
  bool (*same)(const ig_node *plain, const ig_node *full);
} pairs[] = {
    {"MaxPool", "ingot.MaxPool", same_windows},
    {"Attention", "ingot.Attention", same_attention},
};

static bool has_other_outputs(const ig_graph *graph, const ig_node *node) {
  for (int i = 1; i < node->n_outputs; i++) {
    if (ig_value_use_count(graph, node->outputs[i]) > 0) return true;
  }
  return false;
}

/* The node whose result `full` gives too, or NULL. */
static ig_node *plain_of(const ig_graph *graph, const ig_node *full, int pair) {
  const ig_value *x = full->inputs[0];
  for (int32_t i = 0; i < x->n_uses; i++) {
    ig_node *node = x->uses[i].node;
    if (ig_node_is(node, pairs[pair].plain) && pairs[pair].same(node, full) &&
        !has_other_outputs(graph, node)) {
      return node;
    }
  }
  return NULL;
}

static ig_status share_forward_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *full = graph->nodes[i];
    for (int pair = 0; pair < IG_COUNT(pairs); pair++) {
      if (!ig_node_is_live(full) || !ig_node_is(full, pairs[pair].full)) continue;
      ig_node *plain = plain_of(graph, full, pair);
      if (!plain) continue;
      IG_TRY(ig_node_replace(graph, plain, full, 1));
      (*changes)++;
    }
  }
  return IG_OK;
}

const ig_pass ig_pass_share_forward = {
    .name = "share_forward",
    .what = "one node for a result and for what its gradient needs",
    .run = share_forward_run,
};
