/* Parameters that one optimizer updates in the same way become one ingot.MultiUpdate, which a device
 * does by few launches instead of one a parameter, their moving averages in the same sweep: that saves
 * reading the new parameter again, and a launch. A gradient then lives until the last of its group is
 * known, so large ones, whose launch is no matter, keep their own node, except where they wait for
 * each other anyhow: with one scale, from the norm of all gradients. Devices alone: on the CPU a
 * node costs nothing. */
#include <string.h>

#include "engine/ops/multi_update.h"
#include "engine/passes/rewrite.h"

#define SMALL_BYTES ((size_t)1 << 20)

static bool is_update(const ig_node *node) {
  ig_update_rule rule;
  return ig_node_is_live(node) && ig_update_rule_of(node->op->name, &rule) && rule != IG_RULE_EMA;
}

static bool may_wait(const ig_node *node) {
  const ig_value *scale = node->inputs[IG_UPDATE_SCALE];
  return ig_value_storage(node->inputs[IG_UPDATE_GRAD]) <= SMALL_BYTES ||
         (scale && scale->n_uses > 1);
}

/* The node that averages the new parameter and does nothing else; NULL without one. */
static ig_node *average_of(const ig_node *update) {
  const ig_value *param = update->outputs[0];
  for (int32_t u = 0; u < param->n_uses; u++) {
    ig_node *node = param->uses[u].node;
    if (ig_node_is_live(node) && ig_node_is(node, "ingot.Ema") && node->inputs[1] == param &&
        node->inputs[0] == update->inputs[IG_UPDATE_STEP] &&
        node->inputs[2]->kind == IG_VALUE_STATE && node->outputs[0]->n_uses == 0) {
      return node;
    }
  }
  return NULL;
}

static bool averaged_alike(const ig_node *a, const ig_node *b) {
  const ig_node *x = average_of(a), *y = average_of(b);
  return x && y ? memcmp(x->attrs, y->attrs, x->op->attrs_size) == 0 : x == y;
}

static bool alike(const ig_node *a, const ig_node *b) {
  return a->op == b->op && a->n_inputs == b->n_inputs &&
         ig_update_has_copy(a) == ig_update_has_copy(b) &&
         memcmp(a->attrs, b->attrs, a->op->attrs_size) == 0 &&
         a->inputs[IG_UPDATE_LR] == b->inputs[IG_UPDATE_LR] &&
         a->inputs[IG_UPDATE_STEP] == b->inputs[IG_UPDATE_STEP] && averaged_alike(a, b);
}

/* Attributes that MultiUpdate has by the same names. */
static int attributes(const ig_node *first, ig_attr attrs[IG_MOST_ATTRS]) {
  int n = 0;
  attrs[n++] = IG_STRING("optimizer", first->op->name);
  attrs[n++] = IG_INT("moments", ig_update_moments(first));
  attrs[n++] = IG_INT("copies", ig_update_has_copy(first));
  const ig_node *average = average_of(first);
  attrs[n++] = IG_INT("averages", average != NULL);
  if (average) attrs[n++] = IG_FLOAT("average_decay", ig_attr_float_of(average, "decay", 0));
  for (const ig_attr_field *f = first->op->attrs; f->name; f++) {
    attrs[n++] = f->type == IG_ATTR_FLOAT ? IG_FLOAT(f->name, ig_attr_float_of(first, f->name, 0))
                                          : IG_INT(f->name, ig_attr_int_of(first, f->name, 0));
  }
  return n;
}

/* Replaces the n nodes, which are alike, and their averages by one. */
static ig_status group(ig_graph *graph, ig_node *const *nodes, int n) {
  int kept = nodes[0]->n_inputs - IG_UPDATE_MOMENT; /* moments, and a copy */
  int averages = average_of(nodes[0]) != NULL;
  int n_in = IG_MULTI_ITEMS, n_out = 0;
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = attributes(nodes[0], attrs);
  ig_value **in = ig_arena_alloc(graph->arena, (size_t)(n * (3 + kept + averages) + 2) * sizeof *in);
  IG_CHECK(in, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  in[IG_MULTI_LR] = nodes[0]->inputs[IG_UPDATE_LR];
  in[IG_MULTI_STEP] = nodes[0]->inputs[IG_UPDATE_STEP];
  for (int i = 0; i < n; i++) {
    for (int k = IG_UPDATE_SCALE; k < nodes[i]->n_inputs; k++) in[n_in++] = nodes[i]->inputs[k];
    if (averages) in[n_in++] = average_of(nodes[i])->inputs[2];
  }
  ig_node *by = ig_graph_node(graph, "ingot.MultiUpdate", NULL, n_in, in, n_attrs, attrs,
                              n * (1 + kept + averages));
  IG_TRY(ig_graph_status(graph));
  for (int i = 0; i < n; i++) {
    ig_node *average = average_of(nodes[i]);
    for (int k = 0; k <= kept; k++) {
      IG_TRY(ig_value_replace(graph, nodes[i]->outputs[k], by->outputs[n_out++]));
    }
    if (average) {
      IG_TRY(ig_value_replace(graph, average->outputs[0], by->outputs[n_out++]));
      ig_node_remove(graph, average);
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
    if (!is_update(graph->nodes[i])) continue;
    members[n++] = graph->nodes[i];
    for (int32_t j = i + 1; j < n_nodes && n < MOST && may_wait(members[0]); j++) {
      ig_node *node = graph->nodes[j];
      if (is_update(node) && may_wait(node) && alike(members[0], node)) members[n++] = node;
    }
    if (n == 1 && !average_of(members[0])) continue;
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
