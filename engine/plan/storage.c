/* Storage decisions, in running order. Four ways to avoid a fresh block: a view takes its input's, as
 * does any output that lies within it; what a bucket gathers is made in the bucket; an operator that
 * allows it writes over an input that nothing reads later; the new value of a PARAM or STATE is written
 * over the old one when every reader of the old value has run. */
#include "engine/plan/storage.h"

#include <limits.h>

#include "engine/graph/attrs.h"
#include "engine/ops/op.h"

typedef struct assigner {
  const ig_graph *graph;
  ig_node *const *order;
  int n;
  const bool *fixed;
  int *step_of;  /* by node id */
  int *last_use; /* by value id of the view's root: the last step that reads it */
  int *root;     /* by value id: the value whose bytes a view shows */
  const ig_node **gathered; /* by value id: the bucket in which it is made, or NULL */
  size_t *gathered_at;
  ig_storage_map *map;
} assigner;

static void find_roots_and_uses(assigner *a) {
  for (int32_t i = 0; i < a->graph->n_values; i++) {
    a->root[i] = i;
    a->last_use[i] = -1;
  }
  for (int t = 0; t < a->n; t++) {
    const ig_node *node = a->order[t];
    a->step_of[node->id] = t;
    for (int k = 0; k < node->n_outputs; k++) {
      if (ig_op_within(node, k) < 0) continue;
      a->root[node->outputs[k]->id] = a->root[node->inputs[0]->id];
    }
    for (int i = 0; i < ig_op_reads(node); i++) {
      if (node->inputs[i]) a->last_use[a->root[node->inputs[i]->id]] = t;
    }
  }
  for (int32_t i = 0; i < a->graph->n_outputs; i++) {
    a->last_use[a->root[a->graph->outputs[i]->id]] = INT_MAX;
  }
}

/* A value assigned by a copy at the end of the run must last until then. */
static void keep_assigned(assigner *a) {
  for (int32_t i = 0; i < a->graph->n_assigns; i++) {
    if (a->map->in_place[i]) continue;
    a->last_use[a->root[a->graph->assigns[i].source->id]] = INT_MAX;
  }
}

/* Input that output `k` may overwrite by the operator's own word, or -1. */
static int overwrites(const ig_node *node, int k) {
  if (node->op->inplace) return node->op->inplace(node, k);
  if (!(node->op->flags & IG_OP_INPLACE) || k != 0 || !node->inputs[0]) return -1;
  bool fits = ig_value_storage(node->inputs[0]) == ig_value_storage(node->outputs[0]);
  return fits ? 0 : -1;
}

/* Whether assignment `i` can be written straight into its target: the producer runs after all other
 * readers of the old value, and may overwrite it if it reads it itself. */
static bool assign_in_place(const assigner *a, int32_t i) {
  const ig_value *source = a->graph->assigns[i].source, *target = a->graph->assigns[i].target;
  if (source->kind != IG_VALUE_RESULT || ig_op_within(source->producer, source->output) >= 0) return false;
  if (source->layout != IG_LAYOUT_ROWS) return false;
  for (int32_t j = 0; j < a->graph->n_assigns; j++) {
    const ig_assign *other = &a->graph->assigns[j];
    if (j != i && other->target == target) return false;
    if (a->root[other->source->id] == target->id) return false; /* its old value goes elsewhere */
    if (j < i && other->source == source && a->map->in_place[j]) return false;
  }
  const ig_node *producer = source->producer;
  int step = a->step_of[producer->id];
  for (int32_t v = 0; v < a->graph->n_values; v++) {
    if (a->root[v] != target->id) continue;
    const ig_value *shown = a->graph->values[v]; /* the target or a view of it */
    for (int32_t u = 0; u < shown->n_uses; u++) {
      const ig_use *use = &shown->uses[u];
      int reads = a->step_of[use->node->id];
      if (reads > step) return false;
      if (use->node == producer && use->input != overwrites(producer, source->output)) return false;
    }
  }
  return true;
}

static int add_storage(assigner *a, ig_place place, const ig_value *owner, int first) {
  a->map->storages[a->map->n] = (ig_storage){.place = place,
                                             .owner = owner,
                                             .size = ig_value_storage(owner),
                                             .first = first,
                                             .last = first};
  return a->map->n++;
}

/* Leaves get a storage when first touched. */
static int storage_of_leaf(assigner *a, const ig_value *value) {
  int *slot = &a->map->of_value[value->id];
  if (*slot >= 0) return *slot;
  ig_place place = value->kind == IG_VALUE_CONST   ? IG_IN_CONST
                   : value->kind == IG_VALUE_INPUT ? IG_IN_BOUND
                                                   : IG_IN_STORE;
  return *slot = add_storage(a, place, value, -1);
}

static void use_leaves(assigner *a) {
  for (int t = 0; t < a->n; t++) {
    const ig_node *node = a->order[t];
    for (int i = 0; i < node->n_inputs; i++) {
      const ig_value *v = node->inputs[i];
      if (v && v->kind != IG_VALUE_RESULT) storage_of_leaf(a, v);
    }
  }
  for (int32_t i = 0; i < a->graph->n_outputs; i++) {
    if (a->graph->outputs[i]->kind != IG_VALUE_RESULT) storage_of_leaf(a, a->graph->outputs[i]);
  }
  for (int32_t i = 0; i < a->graph->n_assigns; i++) {
    const ig_assign *assign = &a->graph->assigns[i];
    storage_of_leaf(a, assign->target);
    if (assign->source->kind != IG_VALUE_RESULT) storage_of_leaf(a, assign->source);
  }
}

/* The storage that output `k` of the node at step `t` may take over, or -1. */
static int take_over(const assigner *a, const ig_node *node, int t, int k) {
  int i = overwrites(node, k);
  if (i < 0 || i >= node->n_inputs || !node->inputs[i]) return -1;
  const ig_value *input = node->inputs[i];
  int storage = a->map->of_value[input->id];
  const ig_storage *s = &a->map->storages[storage];
  /* A node that runs once runs before all others: it may not touch what they read. */
  if (s->place != IG_IN_SLAB || (a->fixed && a->fixed[node->id])) return -1;
  if (s->last != t || s->size < ig_value_storage(node->outputs[k])) return -1;
  if (a->map->offset[input->id] != 0) return -1;
  for (int j = 0; j < ig_op_reads(node); j++) { /* no other operand may live there too */
    if (j != i && node->inputs[j] && a->map->of_value[node->inputs[j]->id] == storage) return -1;
  }
  for (int j = 0; j < k; j++) {
    if (a->map->of_value[node->outputs[j]->id] == storage) return -1;
  }
  return storage;
}

/* ---- buckets ---- */

static bool begins_bucket(const ig_node *node) {
  return (node->op->flags & IG_OP_BUCKET) && ig_op_within(node, 0) < 0;
}

static int operand_of(const ig_node *node) { return (int)ig_attrs_of(node, "operand").i; }

/* Nothing else was in that operand's memory before the node: what comes later comes behind it. */
static bool is_first_of_operand(const assigner *a, int t) {
  for (int s = 0; s < t; s++) {
    const ig_node *other = a->order[s];
    if (begins_bucket(other) && operand_of(other) == operand_of(a->order[t])) return false;
  }
  return true;
}

/* Whether `v`, whose bytes are `owner`'s, may be made in the bucket of step t: nothing reads it when it
 * has become a sum, and its own producer gives it memory. */
static bool may_be_made_there(const assigner *a, const ig_value *v, const ig_value *owner, int t) {
  if (owner->kind != IG_VALUE_RESULT || a->gathered[owner->id] || a->last_use[owner->id] > t) return false;
  if (owner->layout != IG_LAYOUT_ROWS || owner->dtype != v->dtype) return false;
  if (ig_value_bytes(owner) != ig_value_bytes(v)) return false; /* v is all of it */
  const ig_node *producer = owner->producer;
  if ((producer->op->flags & IG_OP_BUCKET) || (a->fixed && a->fixed[producer->id])) return false;
  for (int32_t i = 0; i < a->graph->n_assigns; i++) {
    if (a->map->in_place[i] && a->graph->assigns[i].source == owner) return false;
  }
  return true;
}

static void gather_in_place(assigner *a) {
  for (int t = 0; t < a->n; t++) {
    const ig_node *node = a->order[t];
    if (!node->op->gathers || !begins_bucket(node) || !is_first_of_operand(a, t)) continue;
    for (int i = 0; i < ig_op_reads(node); i++) {
      const ig_value *v = node->inputs[i], *owner = a->graph->values[a->root[v->id]];
      int64_t at = node->op->gathers(node, i);
      if (at < 0 || !may_be_made_there(a, v, owner, t)) continue;
      a->gathered[owner->id] = node;
      a->gathered_at[owner->id] = (size_t)at;
    }
  }
}

/* The bucket's memory, in use from the first thing that is made in it. */
static int storage_of_bucket(assigner *a, const ig_node *node, int t) {
  int *slot = &a->map->of_value[node->outputs[0]->id];
  if (*slot >= 0) return *slot;
  *slot = add_storage(a, IG_IN_BUCKET, node->outputs[0], t);
  a->map->storages[*slot].operand = operand_of(node);
  return *slot;
}

static int storage_of_output(assigner *a, const ig_node *node, int t, int k) {
  const ig_value *out = node->outputs[k];
  int64_t within = ig_op_within(node, k);
  if (within >= 0) {
    a->map->offset[out->id] = a->map->offset[node->inputs[0]->id] + (size_t)within;
    return a->map->of_value[node->inputs[0]->id];
  }
  if ((node->op->flags & IG_OP_BUCKET) && k == 0) return storage_of_bucket(a, node, t);
  if (a->gathered[out->id]) {
    a->map->offset[out->id] = a->gathered_at[out->id];
    return storage_of_bucket(a, a->gathered[out->id], t);
  }
  for (int32_t i = 0; i < a->graph->n_assigns; i++) {
    if (a->map->in_place[i] && a->graph->assigns[i].source == out) {
      return a->map->of_value[a->graph->assigns[i].target->id];
    }
  }
  int taken = take_over(a, node, t, k);
  if (taken >= 0) return taken;
  bool fixed = a->fixed && a->fixed[node->id];
  return add_storage(a, fixed ? IG_IN_FIXED : IG_IN_SLAB, out, t);
}

static void decide(assigner *a) {
  find_roots_and_uses(a);
  for (int32_t i = 0; i < a->graph->n_assigns; i++) {
    a->map->in_place[i] = assign_in_place(a, i);
  }
  keep_assigned(a);
  gather_in_place(a);
  use_leaves(a);
  for (int t = 0; t < a->n; t++) {
    const ig_node *node = a->order[t];
    for (int k = 0; k < node->n_outputs; k++) {
      const ig_value *out = node->outputs[k];
      int storage = storage_of_output(a, node, t, k);
      a->map->of_value[out->id] = storage;
      ig_storage *s = &a->map->storages[storage];
      int last = a->last_use[a->root[out->id]];
      s->last = IG_MAX(s->last, IG_MAX(t, last));
    }
  }
}

void ig_storage_map_free(ig_storage_map *map) {
  ig_free(map->storages);
  ig_free(map->of_value);
  ig_free(map->offset);
  ig_free(map->in_place);
  *map = (ig_storage_map){0};
}

ig_status ig_storage_assign(const ig_graph *graph, ig_node *const *order, int n,
                            const bool *fixed, ig_storage_map *out) {
  size_t values = (size_t)graph->n_values + 1, nodes = (size_t)graph->n_nodes + 1;
  *out = (ig_storage_map){.storages = ig_alloc_zero(values, sizeof *out->storages),
                          .of_value = ig_alloc_zero(values, sizeof *out->of_value),
                          .offset = ig_alloc_zero(values, sizeof *out->offset),
                          .in_place = ig_alloc_zero((size_t)graph->n_assigns + 1, 1)};
  assigner a = {.graph = graph, .order = order, .n = n, .fixed = fixed, .map = out};
  a.step_of = ig_alloc_zero(nodes, sizeof *a.step_of);
  a.last_use = ig_alloc_zero(values, sizeof *a.last_use);
  a.root = ig_alloc_zero(values, sizeof *a.root);
  a.gathered = ig_alloc_zero(values, sizeof *a.gathered);
  a.gathered_at = ig_alloc_zero(values, sizeof *a.gathered_at);
  ig_status status = IG_OK;
  if (!out->storages || !out->of_value || !out->offset || !out->in_place || !a.step_of ||
      !a.last_use || !a.root || !a.gathered || !a.gathered_at) {
    status = ig_fail(IG_ERR_MEMORY, "plan: out of memory");
    ig_storage_map_free(out);
  } else {
    for (int32_t i = 0; i < graph->n_values; i++) out->of_value[i] = -1;
    decide(&a);
  }
  ig_free(a.step_of);
  ig_free(a.last_use);
  ig_free(a.root);
  ig_free(a.gathered);
  ig_free(a.gathered_at);
  return status;
}
