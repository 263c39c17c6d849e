/* Hoisting: a hoisted node is placed right behind its anchor, the last node that it must follow.
 * Nodes only move forward in time past nodes that they do not depend on, so the order stays valid. */
#include "engine/plan/schedule.h"

#include <stdlib.h>

#include "engine/ops/op.h"

/* Results up to this size are cheap to keep and often let large inputs go (norms, losses). */
#define TINY_BYTES 256

/* Adding to what a STATE holds, as accumulated gradients do. */
static bool accumulates(const ig_node *node) {
  bool state = false, result = false;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    state = state || (v && v->kind == IG_VALUE_STATE);
    result = result || (v && v->kind == IG_VALUE_RESULT);
  }
  return state && result && (node->op->flags & IG_OP_ELEMENTWISE);
}

/* What only eager nodes wait for. */
static bool feeds_eager(const ig_node *node) {
  const ig_value *out = node->outputs[0];
  bool all = node->n_outputs == 1 && out->n_uses > 0 && (node->op->flags & IG_OP_ELEMENTWISE);
  for (int32_t u = 0; u < out->n_uses && all; u++) {
    all = (out->uses[u].node->op->flags & IG_OP_EAGER) != 0;
  }
  return all;
}

static bool is_hoisted(const ig_node *node) {
  if (node->op->flags & (IG_OP_UPDATE | IG_OP_EAGER) || accumulates(node)) return true;
  if (feeds_eager(node)) return true;
  if (node->op->within) return false; /* makes nothing smaller, and what it waits for takes time */
  size_t out = 0, in = 0;
  for (int i = 0; i < node->n_outputs; i++) out += ig_value_storage(node->outputs[i]);
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    if (v && v->kind == IG_VALUE_RESULT) in += ig_value_storage(v);
  }
  return out <= TINY_BYTES && in >= out && in > 0;
}

typedef struct entry {
  ig_node *node;
  int anchor; /* place, in graph order, of the node behind which this one runs */
  bool hoisted;
} entry;

static int compare(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->anchor != y->anchor) return x->anchor < y->anchor ? -1 : 1;
  if (x->hoisted != y->hoisted) return x->hoisted ? 1 : -1;
  return x->node->id < y->node->id ? -1 : x->node->id > y->node->id;
}

/* `anchors` by node id holds those of all earlier nodes. */
static int anchor_of(const ig_node *node, const int *anchors) {
  int anchor = -1;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = node->inputs[i];
    if (!v) continue;
    if (v->producer) anchor = IG_MAX(anchor, anchors[v->producer->id]);
    if (!(node->op->flags & IG_OP_UPDATE) && !accumulates(node)) continue;
    if (v->kind != IG_VALUE_PARAM && v->kind != IG_VALUE_STATE) continue;
    for (int32_t u = 0; u < v->n_uses; u++) { /* readers that come first today stay first */
      const ig_node *reader = v->uses[u].node;
      if (reader->id < node->id) anchor = IG_MAX(anchor, anchors[reader->id]);
    }
  }
  return anchor;
}

ig_status ig_schedule_nodes(const ig_graph *graph, ig_node **order, int *count) {
  int n = 0;
  size_t size = (size_t)graph->n_nodes + 1;
  entry *entries = ig_alloc_zero(size, sizeof *entries);
  int *anchors = ig_alloc_zero(size, sizeof *anchors);
  ig_status status = entries && anchors ? IG_OK : ig_fail(IG_ERR_MEMORY, "plan: out of memory");
  for (int32_t i = 0; i < graph->n_nodes && status == IG_OK; i++) {
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    bool hoisted = is_hoisted(node);
    anchors[i] = hoisted ? anchor_of(node, anchors) : i;
    entries[n++] = (entry){node, anchors[i], hoisted};
  }
  if (status == IG_OK) {
    qsort(entries, (size_t)n, sizeof *entries, compare);
    for (int i = 0; i < n; i++) order[i] = entries[i].node;
    *count = n;
  }
  ig_free(entries);
  ig_free(anchors);
  return status;
}
