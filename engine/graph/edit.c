/* Edits of a graph by passes: rewiring, removal, order, compaction. Each keeps value->uses exact. */
#include <assert.h>
#include <string.h>

#include "engine/graph/graph.h"
#include "engine/ops/op.h"

static void drop_use(ig_value *value, const ig_node *node, int input) {
  for (int32_t i = 0; i < value->n_uses; i++) {
    if (value->uses[i].node == node && value->uses[i].input == input) {
      value->uses[i] = value->uses[--value->n_uses];
      return;
    }
  }
  assert(!"a use that was never registered");
}

static ig_status add_use(const ig_graph *graph, ig_value *value, ig_node *node, int input) {
  IG_CHECK(ig_grow((void **)&value->uses, &value->use_capacity, value->n_uses + 1,
                   sizeof *value->uses),
           IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  value->uses[value->n_uses++] = (ig_use){node, input};
  return IG_OK;
}

ig_status ig_node_set_input(ig_graph *graph, ig_node *node, int index, ig_value *value) {
  assert(index >= 0 && index < node->n_inputs);
  ig_value *old = node->inputs[index];
  if (old == value) return IG_OK;
  if (value) IG_TRY(add_use(graph, value, node, index));
  if (old) drop_use(old, node, index);
  node->inputs[index] = value;
  return IG_OK;
}

ig_status ig_value_replace(ig_graph *graph, ig_value *from, ig_value *to) {
  while (from->n_uses > 0) {
    ig_use use = from->uses[from->n_uses - 1];
    IG_TRY(ig_node_set_input(graph, use.node, use.input, to));
  }
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    if (graph->outputs[i] == from) graph->outputs[i] = to;
  }
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    if (graph->assigns[i].source == from) graph->assigns[i].source = to;
  }
  return IG_OK;
}

void ig_node_remove(ig_graph *graph, ig_node *node) {
  IG_UNUSED(graph);
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i]) drop_use(node->inputs[i], node, i);
    node->inputs[i] = NULL;
  }
  node->id = -1;
}

/* --- order ----------------------------------------------------------------------------------- */

enum { UNSEEN, OPEN, DONE };

/* Depth-first, with the path on a stack of its own: input decides how deep a graph is. */
typedef struct walk {
  ig_node **order, **stack;
  int *next_input; /* of the stack's entries */
  char *mark;      /* by node id */
  int32_t n_order, depth;
} walk;

static ig_status visit(walk *w, ig_node *root) {
  if (w->mark[root->id] == DONE) return IG_OK;
  w->depth = 0;
  w->stack[w->depth] = root;
  w->next_input[w->depth++] = 0;
  w->mark[root->id] = OPEN;
  while (w->depth > 0) {
    ig_node *node = w->stack[w->depth - 1];
    int i = w->next_input[w->depth - 1]++;
    if (i == node->n_inputs) {
      w->mark[node->id] = DONE;
      w->order[w->n_order++] = node;
      w->depth--;
      continue;
    }
    ig_node *producer = node->inputs[i] ? node->inputs[i]->producer : NULL;
    if (!producer || w->mark[producer->id] == DONE) continue;
    IG_CHECK(w->mark[producer->id] == UNSEEN, IG_ERR_INPUT,
             "node '%s' (%s) depends on its own output", producer->name, producer->op->name);
    w->mark[producer->id] = OPEN;
    w->stack[w->depth] = producer;
    w->next_input[w->depth++] = 0;
  }
  return IG_OK;
}

static void keep_live_nodes(ig_graph *graph) {
  int32_t n = 0;
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (ig_node_is_live(graph->nodes[i])) graph->nodes[n++] = graph->nodes[i];
  }
  graph->n_nodes = n;
  for (int32_t i = 0; i < n; i++) graph->nodes[i]->id = i;
}

ig_status ig_graph_sort(ig_graph *graph) {
  keep_live_nodes(graph);
  size_t n = (size_t)graph->n_nodes + 1;
  walk w = {.order = ig_alloc_zero(n, sizeof *w.order),
            .stack = ig_alloc_zero(n, sizeof *w.stack),
            .next_input = ig_alloc_zero(n, sizeof *w.next_input),
            .mark = ig_alloc_zero(n, 1)};
  ig_status status = IG_OK;
  if (!w.order || !w.stack || !w.next_input || !w.mark) {
    status = ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  }
  for (int32_t i = 0; i < graph->n_nodes && status == IG_OK; i++) {
    status = visit(&w, graph->nodes[i]);
  }
  if (status == IG_OK) {
    memcpy(graph->nodes, w.order, (size_t)graph->n_nodes * sizeof *w.order);
    for (int32_t i = 0; i < graph->n_nodes; i++) graph->nodes[i]->id = i;
  }
  ig_free(w.order);
  ig_free(w.stack);
  ig_free(w.next_input);
  ig_free(w.mark);
  return status;
}

/* --- compaction ------------------------------------------------------------------------------ */

static bool value_is_needed(const ig_value *value, bool all) {
  switch (value->kind) {
  case IG_VALUE_INPUT: return true;
  case IG_VALUE_RESULT: return ig_node_is_live(value->producer);
  case IG_VALUE_PARAM:
  case IG_VALUE_STATE: return !all || value->n_uses > 0;
  default: return value->n_uses > 0;
  }
}

ig_status ig_graph_compact(ig_graph *graph, bool all) {
  keep_live_nodes(graph);
  char *keep = ig_alloc_zero((size_t)graph->n_values + 1, 1);
  IG_CHECK(keep, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  for (int32_t i = 0; i < graph->n_values; i++) keep[i] = value_is_needed(graph->values[i], all);
  for (int32_t i = 0; i < graph->n_outputs; i++) keep[graph->outputs[i]->id] = 1;
  for (int32_t i = 0; i < graph->n_assigns; i++) {
    keep[graph->assigns[i].source->id] = 1;
    keep[graph->assigns[i].target->id] = 1;
  }
  int32_t n = 0;
  for (int32_t i = 0; i < graph->n_values; i++) {
    ig_value *value = graph->values[i];
    if (keep[i]) {
      value->id = n;
      graph->values[n++] = value;
    } else {
      ig_free(value->uses);
      value->uses = NULL;
      value->n_uses = 0;
      value->use_capacity = 0;
    }
  }
  graph->n_values = n;
  ig_free(keep);
  return IG_OK;
}
