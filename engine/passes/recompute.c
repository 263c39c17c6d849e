/* Activation recomputation (Chen et al., "Training deep nets with sublinear memory cost", 2016): forward
 * results that only gradients still need are let go and made again right before they are used. `light`
 * repeats what is bound by memory (elementwise operators, norms) from results that are kept anyway;
 * `full` keeps only the places where a single tensor carries the whole forward state, such as the
 * borders of residual blocks, and repeats all between them. The repeated nodes are the same
 * computations, so that results keep their bits. After autodiff, before layout. */
#include <string.h>

#include "engine/passes/rewrite.h"

/* Below this many flops a byte an operator takes the time of its memory traffic. */
#define MEMORY_BOUND 4.0
/* A border of blocks is kept when it lets go of this many times its own bytes. */
#define WORTH 4

ig_recompute ig_recompute_parse(const char *name) {
  if (strcmp(name, "light") == 0) return IG_RECOMPUTE_LIGHT;
  return strcmp(name, "full") == 0 ? IG_RECOMPUTE_FULL : IG_RECOMPUTE_NONE;
}

typedef struct recompute {
  ig_graph *graph;
  int32_t n_nodes;        /* before the first repeated node */
  int32_t first_backward;    /* node id; all before are forward nodes */
  bool *saved; /* by value id: a forward result that a backward node reads */
  bool *drop;  /* by value id: to be made again rather than kept */
  ig_node **again; /* by node id: the repetition, once made */
  int *changes;
} recompute;

static bool is_forward(const recompute *r, const ig_node *node) {
  return node->id >= 0 && node->id < r->first_backward;
}

/* A view keeps the bytes of what it shows. */
static void mark_saved(recompute *r, const ig_value *v) {
  while (v && v->kind == IG_VALUE_RESULT && is_forward(r, v->producer)) {
    r->saved[v->id] = true;
    v = v->producer->op->flags & IG_OP_VIEW ? v->producer->inputs[0] : NULL;
  }
}

static void find_saved(recompute *r) {
  for (int32_t i = r->first_backward; i < r->n_nodes; i++) {
    const ig_node *node = r->graph->nodes[i];
    for (int k = 0; k < node->n_inputs; k++) mark_saved(r, node->inputs[k]);
  }
}

/* A result that an output or assignment shows stays in any case. */
static bool is_shown(const recompute *r, const ig_value *v) {
  return ig_value_use_count(r->graph, v) != v->n_uses;
}

static bool is_repeatable(const ig_node *node) {
  return (node->op->flags & IG_OP_PURE) && !(node->op->flags & IG_OP_VIEW);
}

static bool is_memory_bound(const ig_node *node) {
  if (!node->op->cost) return false;
  ig_cost cost = node->op->cost(node);
  return cost.flops <= MEMORY_BOUND * cost.bytes;
}

/* Whether `v` can be read in the backward part without keeping more than is kept already. */
static bool is_at_hand(const recompute *r, const ig_value *v) {
  if (!v || v->kind != IG_VALUE_RESULT) return true;
  if (v->producer->op->flags & IG_OP_VIEW) return is_at_hand(r, v->producer->inputs[0]);
  return r->saved[v->id];
}

static void choose_light(recompute *r) {
  for (int32_t i = 0; i < r->first_backward; i++) {
    const ig_node *node = r->graph->nodes[i];
    bool chosen = is_repeatable(node) && is_memory_bound(node);
    for (int k = 0; k < node->n_inputs && chosen; k++) chosen = is_at_hand(r, node->inputs[k]);
    for (int k = 0; k < node->n_outputs && chosen; k++) {
      const ig_value *v = node->outputs[k];
      r->drop[v->id] = r->saved[v->id] && !is_shown(r, v);
    }
  }
}

/* By value: the last forward node that reads it, through views as well. */
static void find_last_readers(const recompute *r, int32_t *last) {
  for (int32_t i = r->first_backward - 1; i >= 0; i--) {
    const ig_node *node = r->graph->nodes[i];
    bool view = node->op->flags & IG_OP_VIEW;
    for (int k = 0; k < node->n_inputs; k++) {
      const ig_value *v = node->inputs[k];
      if (!v || v->kind != IG_VALUE_RESULT) continue;
      int32_t at = view && k == 0 ? IG_MAX(i, last[node->outputs[0]->id]) : i;
      last[v->id] = IG_MAX(last[v->id], at);
    }
  }
}

/* A border is a node whose results alone are carried on from it and all nodes before. It is kept once
 * that lets go of enough. What follows the last border stays: gradients begin there. */
static void choose_full(recompute *r, const int32_t *last) {
  int32_t carried_until = -1, last_border = -1;
  size_t freed = 0;
  for (int32_t i = 0; i < r->first_backward; i++) {
    const ig_node *node = r->graph->nodes[i];
    size_t own = 0;
    for (int k = 0; k < node->n_outputs; k++) own += ig_value_storage(node->outputs[k]);
    bool border = carried_until <= i && freed >= WORTH * own;
    if (border) last_border = i;
    if (border) freed = 0;
    for (int k = 0; k < node->n_outputs; k++) {
      const ig_value *v = node->outputs[k];
      bool kept = border || !is_repeatable(node) || is_shown(r, v);
      r->drop[v->id] = r->saved[v->id] && !kept;
      r->saved[v->id] = r->saved[v->id] || kept; /* also for what is repeated from it */
      if (r->drop[v->id]) freed += ig_value_storage(v);
      carried_until = IG_MAX(carried_until, last[v->id]);
    }
  }
  for (int32_t i = last_border + 1; i < r->first_backward; i++) {
    const ig_node *node = r->graph->nodes[i];
    for (int k = 0; k < node->n_outputs; k++) r->drop[node->outputs[k]->id] = false;
  }
}

/* What a backward node reads instead of `v`. */
static ig_value *repeated(recompute *r, ig_value *v);

static ig_node *repeat_node(recompute *r, ig_node *node) {
  if (r->again[node->id]) return r->again[node->id];
  enum { MOST_INPUTS = 64 };
  ig_value *in[MOST_INPUTS];
  ig_attr attrs[IG_MOST_ATTRS];
  if (node->n_inputs > MOST_INPUTS) return NULL;
  for (int i = 0; i < node->n_inputs; i++) {
    in[i] = node->inputs[i] ? repeated(r, node->inputs[i]) : NULL;
    if (node->inputs[i] && !in[i]) return NULL;
  }
  int n_attrs = ig_attr_list(node, attrs);
  char *name = ig_arena_format(r->graph->arena, "%s.again", node->name);
  r->graph->forward = node;
  r->again[node->id] = ig_graph_node(r->graph, node->op->name, name, node->n_inputs, in, n_attrs,
                                     attrs, node->n_outputs);
  r->graph->forward = NULL;
  (*r->changes)++;
  return r->again[node->id];
}

/* Depth is bounded by the stretch between two kept results. */
static ig_value *repeated(recompute *r, ig_value *v) {
  if (v->kind != IG_VALUE_RESULT || !is_forward(r, v->producer)) return v;
  bool view = v->producer->op->flags & IG_OP_VIEW;
  bool kept = r->saved[v->id] && !r->drop[v->id];
  if (!view && (kept || !is_repeatable(v->producer))) return v;
  if (view && repeated(r, v->producer->inputs[0]) == v->producer->inputs[0]) return v;
  ig_node *node = repeat_node(r, v->producer);
  return node ? node->outputs[v->output] : NULL;
}

static ig_status redirect(recompute *r) {
  for (int32_t i = r->n_nodes - 1; i >= r->first_backward; i--) {
    ig_node *node = r->graph->nodes[i];
    for (int k = 0; k < node->n_inputs; k++) {
      ig_value *v = node->inputs[k];
      if (!v || v->kind != IG_VALUE_RESULT || !is_forward(r, v->producer)) continue;
      ig_value *by = repeated(r, v);
      IG_TRY(ig_graph_status(r->graph));
      if (by && by != v) IG_TRY(ig_node_set_input(r->graph, node, k, by));
    }
  }
  return IG_OK;
}

static int32_t find_first_backward(const ig_graph *graph) {
  int32_t i = 0;
  while (i < graph->n_nodes && !graph->nodes[i]->forward) i++;
  return i;
}

static ig_status recompute_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  if (options->recompute == IG_RECOMPUTE_NONE) return IG_OK;
  IG_TRY(ig_graph_sort(graph)); /* ids are places in the order */
  recompute r = {.graph = graph,
                 .n_nodes = graph->n_nodes,
                 .first_backward = find_first_backward(graph),
                 .changes = changes};
  size_t values = (size_t)graph->n_values + 1, nodes = (size_t)graph->n_nodes + 1;
  int32_t *last = ig_alloc_zero(values, sizeof *last);
  r.saved = ig_alloc_zero(values, sizeof *r.saved);
  r.drop = ig_alloc_zero(values, sizeof *r.drop);
  r.again = ig_alloc_zero(nodes, sizeof *r.again);
  ig_status status = IG_OK;
  if (!last || !r.saved || !r.drop || !r.again) {
    status = ig_fail(IG_ERR_MEMORY, "recompute: out of memory");
  } else {
    find_saved(&r);
    if (options->recompute == IG_RECOMPUTE_LIGHT) {
      choose_light(&r);
    } else {
      find_last_readers(&r, last);
      choose_full(&r, last);
    }
    status = redirect(&r);
  }
  ig_free(last);
  ig_free(r.saved);
  ig_free(r.drop);
  ig_free(r.again);
  return status;
}

const ig_pass ig_pass_recompute = {
    .name = "recompute",
    .what = "make activations again for the gradient instead of keeping them",
    .run = recompute_run,
};
