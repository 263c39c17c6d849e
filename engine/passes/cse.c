/* Common subexpressions: constants with the same bytes become one value, then pure nodes with the
 * same operator, attributes and inputs become one node, in execution order, so that chains merge
 * whole. A value that is a graph output or assigned to a tensor stays its own: those are buffers of
 * their own. */
#include <string.h>

#include "engine/graph/attrs.h"
#include "engine/passes/pass.h"

/* Larger constants are weights of an imported model: comparing them costs more than it saves. */
#define MOST_CONST_BYTES ((size_t)64 << 10)

/* Open addressing by hash; the entries are values or nodes. */
typedef struct table {
  void **slots;
  size_t mask;
} table;

static ig_status table_create(int32_t entries, table *t) {
  size_t slots = 64;
  while (slots < 2 * (size_t)entries) slots *= 2;
  t->slots = ig_alloc_zero(slots, sizeof *t->slots);
  t->mask = slots - 1;
  IG_CHECK_ALLOC(t->slots);
  return IG_OK;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
  }
  return hash;
}

/* The equal entry, or `entry` itself after adding it. */
static void *find_or_add(table *t, uint64_t hash, void *entry,
                         bool (*same)(const void *, const void *)) {
  size_t slot = (size_t)(hash ^ hash >> 29) & t->mask;
  for (; t->slots[slot]; slot = (slot + 1) & t->mask) {
    if (same(t->slots[slot], entry)) return t->slots[slot];
  }
  t->slots[slot] = entry;
  return entry;
}

static bool same_const(const void *left, const void *right) {
  const ig_value *a = left, *b = right;
  return a->dtype == b->dtype && ig_shape_equal(&a->shape, &b->shape) &&
         memcmp(a->data, b->data, ig_value_bytes(a)) == 0;
}

static ig_status merge_consts(ig_graph *graph, int *changes) {
  table t;
  IG_TRY(table_create(graph->n_values, &t));
  ig_status status = IG_OK;
  for (int32_t i = 0; i < graph->n_values && status == IG_OK; i++) {
    ig_value *value = graph->values[i];
    if (!ig_value_is_const(value) || ig_value_bytes(value) > MOST_CONST_BYTES) continue;
    if (ig_value_use_count(graph, value) != value->n_uses) continue;
    uint64_t hash = mix(0xcbf29ce484222325u, value->data, ig_value_bytes(value));
    ig_value *first = find_or_add(&t, hash, value, same_const);
    if (first == value) continue;
    status = ig_value_replace(graph, value, first);
    (*changes)++;
  }
  ig_free(t.slots);
  return status;
}

static bool same_node(const void *left, const void *right) {
  const ig_node *a = left, *b = right;
  if (a->op != b->op || a->n_inputs != b->n_inputs || a->n_outputs != b->n_outputs) return false;
  for (int i = 0; i < a->n_inputs; i++) {
    if (a->inputs[i] != b->inputs[i]) return false;
  }
  for (int i = 0; i < a->n_outputs; i++) {
    if (a->outputs[i]->layout != b->outputs[i]->layout) return false;
  }
  return ig_attrs_equal(a->op, a->attrs, b->attrs);
}

static bool may_merge(const ig_graph *graph, const ig_node *node) {
  if (!ig_node_is_live(node) || !(node->op->flags & IG_OP_PURE)) return false;
  for (int i = 0; i < node->n_outputs; i++) {
    if (ig_value_use_count(graph, node->outputs[i]) != node->outputs[i]->n_uses) return false;
  }
  return true;
}

static ig_status merge_nodes(ig_graph *graph, int *changes) {
  table t;
  IG_TRY(table_create(graph->n_nodes, &t));
  ig_status status = IG_OK;
  for (int32_t i = 0; i < graph->n_nodes && status == IG_OK; i++) {
    ig_node *node = graph->nodes[i];
    if (!may_merge(graph, node)) continue;
    uint64_t hash = mix(0xcbf29ce484222325u, &node->op, sizeof node->op);
    hash = mix(hash, node->inputs, (size_t)node->n_inputs * sizeof *node->inputs);
    ig_node *first = find_or_add(&t, hash, node, same_node);
    if (first == node) continue;
    for (int k = 0; k < node->n_outputs && status == IG_OK; k++) {
      status = ig_value_replace(graph, node->outputs[k], first->outputs[k]);
    }
    if (status == IG_OK) ig_node_remove(graph, node);
    (*changes)++;
  }
  ig_free(t.slots);
  return status;
}

static ig_status cse_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  IG_TRY(merge_consts(graph, changes));
  return merge_nodes(graph, changes);
}

const ig_pass ig_pass_cse = {
    .name = "cse",
    .what = "merge equal constants and equal computations",
    .run = cse_run,
};
