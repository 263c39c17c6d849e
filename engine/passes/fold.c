/* Constant folding: pure nodes whose inputs are all known are run now on the CPU, and their outputs
 * become constants. Results that would bloat the graph (a large Expand of a scalar) stay nodes, and
 * so do graph outputs and assigned values, which need buffers of their own, and what quantized weights
 * stand for, which passes lower and plans compute once. */
#include "engine/base/checked.h"
#include "engine/passes/rewrite.h"

/* A folded result may be this large, or as large as what it was made from. */
#define SMALL_BYTES ((size_t)1 << 20)
#define MOST_OUTPUTS 16
#define MOST_INPUTS 64

static bool foldable(const ig_graph *graph, const ig_node *node) {
  if (!ig_node_is_live(node) || !(node->op->flags & IG_OP_PURE)) return false;
  if (node->n_outputs > MOST_OUTPUTS || node->n_inputs > MOST_INPUTS) return false;
  if (ig_node_is(node, "DequantizeLinear") && ig_value_count(node->outputs[0]) > 1) return false;
  size_t in_bytes = 0, out_bytes = 0;
  for (int i = 0; i < node->n_inputs; i++) {
    if (!node->inputs[i]) continue;
    if (!ig_value_is_const(node->inputs[i])) return false;
    if (!ig_add_size(in_bytes, ig_value_bytes(node->inputs[i]), &in_bytes)) return false;
  }
  for (int i = 0; i < node->n_outputs; i++) {
    const ig_value *out = node->outputs[i];
    if (ig_value_use_count(graph, out) != out->n_uses) return false;
    if (!ig_add_size(out_bytes, ig_value_bytes(out), &out_bytes)) return false;
  }
  /* The bytes of a Constant are in the graph already. */
  return ig_node_is(node, "Constant") || out_bytes <= IG_MAX(SMALL_BYTES, in_bytes);
}

static ig_status evaluate(ig_graph *graph, const ig_node *node, void **out) {
  const void *in[MOST_INPUTS];
  for (int i = 0; i < node->n_inputs; i++) in[i] = node->inputs[i] ? node->inputs[i]->data : NULL;
  for (int i = 0; i < node->n_outputs; i++) {
    out[i] = ig_alloc(ig_value_bytes(node->outputs[i]));
    IG_CHECK(out[i], IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  }
  return ig_op_evaluate(node, NULL, in, out);
}

static ig_status fold(ig_graph *graph, ig_node *node) {
  void *out[MOST_OUTPUTS] = {0};
  ig_status status = evaluate(graph, node, out);
  for (int i = 0; i < node->n_outputs && status == IG_OK; i++) {
    ig_value *old = node->outputs[i];
    ig_value *known = ig_graph_const(graph, old->name, old->dtype, old->shape, out[i]);
    status = known ? ig_value_replace(graph, old, known) : ig_graph_status(graph);
  }
  if (status == IG_OK) ig_node_remove(graph, node);
  for (int i = 0; i < node->n_outputs; i++) ig_free(out[i]);
  return status;
}

static ig_status fold_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (!foldable(graph, node)) continue;
    IG_TRY(fold(graph, node));
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_fold = {
    .name = "fold",
    .what = "compute what depends on constants alone",
    .run = fold_run,
};
