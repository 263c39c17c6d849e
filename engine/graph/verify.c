/* The verifier: every invariant of graph.h, checked anew. Runs between passes in debug builds, and on
 * every graph that comes from a file. */
#include <string.h>

#include "engine/graph/graph.h"
#include "engine/ops/op.h"

#define FAULT(...) return ig_fail(IG_ERR_INTERNAL, __VA_ARGS__)

static ig_status verify_values(const ig_graph *graph) {
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *v = graph->values[i];
    if (v->id != i) FAULT("value '%s': id %d at place %d", v->name, v->id, i);
    if (ig_graph_find_value(graph, v->name) != v) FAULT("value '%s': name not its own", v->name);
    if ((v->kind == IG_VALUE_RESULT) != (v->producer != NULL)) {
      FAULT("value '%s': kind and producer disagree", v->name);
    }
    if (v->producer && v->producer->outputs[v->output] != v) {
      FAULT("value '%s': not output %d of its producer", v->name, v->output);
    }
    if (v->kind == IG_VALUE_CONST && !v->data) FAULT("constant '%s': no bytes", v->name);
    for (int32_t u = 0; u < v->n_uses; u++) {
      const ig_use *use = &v->uses[u];
      if (!ig_node_is_live(use->node) || use->node->inputs[use->input] != v) {
        FAULT("value '%s': use %d is stale", v->name, u);
      }
    }
    IG_TRY(ig_shape_check(&v->shape, v->dtype));
  }
  return IG_OK;
}

static ig_status verify_inputs(const ig_graph *graph, const ig_node *node) {
  for (int k = 0; k < node->n_inputs; k++) {
    const ig_value *v = node->inputs[k];
    if (!v) continue;
    if (v->id < 0 || v->id >= graph->n_values || graph->values[v->id] != v) {
      FAULT("node '%s': input %d '%s' is not in the graph", node->name, k, v->name);
    }
    if (v->producer && v->producer->id >= node->id) {
      FAULT("node '%s': input %d '%s' is produced later", node->name, k, v->name);
    }
    int registered = 0;
    for (int32_t u = 0; u < v->n_uses; u++) {
      registered += v->uses[u].node == node && v->uses[u].input == k;
    }
    if (registered != 1) FAULT("node '%s': input %d has %d uses", node->name, k, registered);
  }
  return IG_OK;
}

typedef struct typed {
  ig_dtype dtype;
  ig_shape shape;
} typed;

/* Infers again and compares: a pass that rewired an operator must have kept its meaning. */
static ig_status verify_shapes(ig_node *node) {
  typed *before = ig_alloc_zero((size_t)node->n_outputs + 1, sizeof *before);
  IG_CHECK_ALLOC(before);
  for (int k = 0; k < node->n_outputs; k++) {
    before[k] = (typed){node->outputs[k]->dtype, node->outputs[k]->shape};
  }
  ig_status status = ig_node_infer(node);
  for (int k = 0; k < node->n_outputs && status == IG_OK; k++) {
    const ig_value *out = node->outputs[k];
    if (out->dtype == before[k].dtype && ig_shape_equal(&out->shape, &before[k].shape)) continue;
    status = ig_fail(IG_ERR_INTERNAL, "node '%s' (%s): output %d is %s%s, inferred %s%s", node->name,
                     node->op->name, k, ig_dtype_name(before[k].dtype),
                     IG_SHAPE_STR(&before[k].shape), ig_dtype_name(out->dtype),
                     IG_SHAPE_STR(&out->shape));
  }
  ig_free(before);
  return status;
}

ig_status ig_graph_verify(ig_graph *graph) {
  IG_TRY(ig_graph_status(graph));
  IG_TRY(verify_values(graph));
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (node->id != i) FAULT("node '%s': id %d at place %d", node->name, node->id, i);
    IG_TRY(verify_inputs(graph, node));
    if (!graph->deferred) IG_TRY(verify_shapes(node));
  }
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    const ig_value *v = graph->outputs[i];
    if (v->id >= graph->n_values || graph->values[v->id] != v) {
      FAULT("output '%s' is not in the graph", graph->output_names[i]);
    }
  }
  return IG_OK;
}
