/* Parameters that one optimizer updates in the same way become one ingot.MultiUpdate, which a device
 * does by few launches instead of one a parameter. A gradient then lives until the last of its group is
 * known, so large ones, whose launch is no matter, keep their own node, except where they wait for
 * each other anyhow: with one scale, from the norm of all gradients. Devices alone: on the CPU a
 * node costs nothing. */
#include <string.h>

#include "engine/ops/multi_update.h"
#include "engine/passes/rewrite.h"

#define SMALL_BYTES ((size_t)1 << 20)

static bool may_group(const ig_node *node) {
  ig_update_rule rule;
  if (!ig_node_is_live(node) || !ig_update_rule_of(node->op->name, &rule) || rule == IG_RULE_EMA) {
    return false;
  }
  const ig_value *scale = node->inputs[IG_UPDATE_SCALE];
  return ig_value_storage(node->inputs[IG_UPDATE_GRAD]) <= SMALL_BYTES ||
         (scale && scale->n_uses > 1);
}

static bool alike(const ig_node *a, const ig_node *b) {
  return a->op == b->op && a->n_inputs == b->n_inputs &&
         ig_update_has_copy(a) == ig_update_has_copy(b) &&
         memcmp(a->attrs, b->attrs, a->op->attrs_size) == 0 &&
         a->inputs[IG_UPDATE_LR] == b->inputs[IG_UPDATE_LR] &&
         a->inputs[IG_UPDATE_STEP] == b->inputs[IG_UPDATE_STEP];
}

/* Attributes that MultiUpdate has by the same names. */
static int attributes(const ig_node *first, ig_attr attrs[IG_MOST_ATTRS]) {
  int n = 0;
  attrs[n++] = IG_STRING("optimizer", first->op->name);
  attrs[n++] = IG_INT("moments", ig_update_moments(first));
  attrs[n++] = IG_INT("copies", ig_update_has_copy(first));
  for (const ig_attr_field *f = first->op->attrs; f->name; f++) {
    attrs[n++] = f->type == IG_ATTR_FLOAT ? IG_FLOAT(f->name, ig_attr_float_of(first, f->name, 0))
                                          : IG_INT(f->name, ig_attr_int_of(first, f->name, 0));
  }
  return n;
}

/* Replaces the n nodes, which are alike, by one. */
static ig_status group(ig_graph *graph, ig_node *const *nodes, int n) {
  int kept = nodes[0]->n_inputs - IG_UPDATE_MOMENT; /* moments, and a copy */
  int n_in = IG_MULTI_ITEMS, n_out = 0;
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = attributes(nodes[0], attrs);
  ig_value **in = ig_arena_alloc(graph->arena, (size_t)(n * (3 + kept) + 2) * sizeof *in);
  IG_CHECK(in, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  in[IG_MULTI_LR] = nodes[0]->inputs[IG_UPDATE_LR];
  in[IG_MULTI_STEP] = nodes[0]->inputs[IG_UPDATE_STEP];
  for (int i = 0; i < n; i++) {
    for (int k = IG_UPDATE_SCALE; k < nodes[i]->n_inputs; k++) in[n_in++] = nodes[i]->inputs[k];
  }
  ig_node *by =
      ig_graph_node(graph, "ingot.MultiUpdate", NULL, n_in, in, n_attrs, attrs, n * (1 + kept));
  IG_TRY(ig_graph_status(graph));
  for (int i = 0; i < n; i++) {
    for (int k = 0; k <= kept; k++) {
      IG_TRY(ig_value_replace(graph, nodes[i]->outputs[k], by->outputs[n_out++]));
    }
    ig_node_remove(graph, nodes[i]);
  }
  return IG_OK;
}

/* As many as a node may have operands for. */
#define MOST 8192

static ig_status group_updates_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  if (options->device == IG_CPU) return IG_OK;
  int32_t n_nodes = graph->n_nodes;
  ig_node **members = ig_alloc_zero((size_t)n_nodes + 1, sizeof(ig_node *));
  IG_CHECK(members, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  ig_status status = IG_OK;
  for (int32_t i = 0; i < n_nodes && status == IG_OK; i++) {
    int n = 0;
    if (!may_group(graph->nodes[i])) continue;
    for (int32_t j = i; j < n_nodes && n < MOST; j++) {
      ig_node *node = graph->nodes[j];
      if (may_group(node) && alike(graph->nodes[i], node)) members[n++] = node;
    }
    if (n < 2) continue;
    status = group(graph, members, n);
    (*changes)++;
  }
  ig_free(members);
  return status;
}

const ig_pass ig_pass_group_updates = {
    .name = "group_updates",
    .what = "one update of many parameters instead of one each, on devices",
    .run = group_updates_run,
};
