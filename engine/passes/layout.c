/* Memory layouts of activations: convolutions compute in blocks of sixteen channels on the CPU, of bytes
 * and on a GPU in channels last, and what lies between them follows, so that reorders stand only at the
 * borders of such regions. Works
 * on forward and backward nodes alike, after everything that makes nodes. Graph inputs, outputs,
 * parameters and assigned values stay row-major. */
#include "engine/passes/rewrite.h"

/* The choice, in one place. On the CPU, measured with oneDNN 2.6 on an AVX-512 machine for 3x3 convolutions
 * of 64 to 512 channels, one core, batch 64 and 1, against channels last: direct code within a
 * tenth of each other (about 250 GFLOP/s), but the blocked layout alone has Winograd code (up to
 * 650), and faster filter gradients of first layers (174 against 77). Fewer channels than a
 * block would be padded to one. On a GPU the tiles of a product are read as runs of channels; fewer
 * than eight make no run of sixteen bytes, and are read one by one from either layout. */
static ig_layout regional(ig_device device) {
  return device == IG_CPU ? IG_LAYOUT_BLOCK16 : IG_LAYOUT_NHWC;
}

static bool is_bytes(const ig_value *value) {
  return value->dtype == IG_I8 || value->dtype == IG_U8;
}

static ig_layout preferred(ig_device device, const ig_value *activation) {
  int64_t least = device == IG_CPU ? IG_LAYOUT_BLOCK : 8;
  return activation->shape.dims[1] >= least ? regional(device) : IG_LAYOUT_ROWS;
}

typedef struct layouts {
  ig_graph *graph;
  ig_device device;
  ig_value **reordered; /* by value id and layout: the same activation in that layout */
  int *changes;
} layouts;

#define LAYOUTS (IG_LAYOUT_BLOCK16 + 1)

/* Operand `i` of a node, inputs first, when it may have a layout; otherwise NULL. */
static ig_value *laid_out(const ig_node *node, int i) {
  bool input = i < node->n_inputs;
  ig_value *v = input ? node->inputs[i] : node->outputs[i - node->n_inputs];
  if (!v || v->shape.rank != 4) return NULL;
  unsigned rows = input ? node->op->rows_in >> i : node->op->rows_out >> (i - node->n_inputs);
  bool single = (node->op->flags & IG_OP_ELEMENTWISE) && ig_value_count(v) == 1;
  return (rows & 1) || single ? NULL : v;
}

/* Convolutions read and write each activation in its own layout; elsewhere all operands share
 * one. */
static bool has_filter(const ig_node *node) {
  return node->op->rows_in || node->op->rows_out;
}

/* Elementwise operators take part where nothing is broadcast but single numbers. */
static bool takes_part(const ig_node *node) {
  const ig_op *op = node->op;
  if (!(op->flags & (IG_OP_LAYOUT | IG_OP_ELEMENTWISE)) || (op->flags & IG_OP_VIEW)) return false;
  if (node->outputs[0]->shape.rank != 4 && !has_filter(node)) return false;
  for (int i = 0; i < node->n_inputs && (op->flags & IG_OP_ELEMENTWISE); i++) {
    const ig_value *v = node->inputs[i];
    if (v && ig_value_count(v) != 1 && !ig_shape_equal(&v->shape, &node->outputs[0]->shape)) {
      return false;
    }
  }
  return true;
}

/* A graph output or assigned value is row-major. */
static bool is_pinned(const ig_graph *graph, const ig_value *value) {
  return ig_value_use_count(graph, value) != value->n_uses;
}

/* Whether an operand that may have a layout is of bytes: four of them are multiplied at once, so that
 * their channels lie side by side however few they are. */
static bool has_bytes(const ig_node *node) {
  for (int i = 0; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = laid_out(node, i);
    if (v && is_bytes(v)) return true;
  }
  return false;
}

/* What operand `i` should be in; `shared` is the layout of a node without filter. */
static ig_layout wanted(const layouts *l, const ig_node *node, int i, ig_layout shared) {
  const ig_value *v = laid_out(node, i);
  if (!v) return IG_LAYOUT_ROWS;
  if (!has_filter(node)) return shared;
  bool pinned = i >= node->n_inputs && is_pinned(l->graph, v);
  if (pinned || shared == IG_LAYOUT_ROWS) return IG_LAYOUT_ROWS;
  return has_bytes(node) ? IG_LAYOUT_NHWC : preferred(l->device, v);
}

/* The layout of the first operand that has one. */
static ig_layout found_layout(const ig_node *node) {
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = laid_out(node, i);
    if (v && v->layout != IG_LAYOUT_ROWS) return v->layout;
  }
  return IG_LAYOUT_ROWS;
}

/* An operator of many inputs, which only moves them, follows where most of their elements are. */
static bool most_inputs_in_region(const ig_node *node) {
  int64_t inside = 0, outside = 0;
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *v = laid_out(node, i);
    if (v) *(v->layout != IG_LAYOUT_ROWS ? &inside : &outside) += ig_value_count(v);
  }
  return inside > outside;
}

static bool inputs_in_region(const ig_node *node) {
  if (node->op->n_in[1] == IG_VARIADIC) return most_inputs_in_region(node);
  return found_layout(node) != IG_LAYOUT_ROWS;
}

/* The layout that a node's operands share; for a node with a filter, whether it uses any. */
static ig_layout shared_layout(const layouts *l, const ig_node *node) {
  if (!takes_part(node)) return IG_LAYOUT_ROWS;
  if (has_filter(node)) return regional(l->device);
  for (int i = node->n_inputs; i < node->n_inputs + node->n_outputs; i++) {
    const ig_value *v = laid_out(node, i);
    if (v && is_pinned(l->graph, v)) return IG_LAYOUT_ROWS;
  }
  if (!inputs_in_region(node)) return IG_LAYOUT_ROWS;
  return has_bytes(node) ? IG_LAYOUT_NHWC : found_layout(node);
}

/* `value` in `layout`, by a reorder that all who want it share. */
static ig_value *in_layout(layouts *l, ig_value *value, ig_layout layout) {
  if (value->layout == layout) return value;
  ig_value **slot = &l->reordered[value->id * LAYOUTS + (int)layout];
  if (!*slot) {
    *slot = ig_op1(l->graph, "ingot.Reorder", NULL, IG_INS(value), IG_ATTRS(IG_INT("to", layout)));
    (*l->changes)++;
  }
  return *slot;
}

/* Whether the node has an implementation with its operands in these layouts; they are tried on the
 * operands themselves and put back. */
static bool runs_in(const layouts *l, const ig_node *node, ig_layout shared) {
  ig_layout before[64];
  int n = node->n_inputs + node->n_outputs;
  if (n > IG_COUNT(before)) return false;
  for (int i = 0; i < n; i++) {
    ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    before[i] = v ? v->layout : IG_LAYOUT_ROWS;
  }
  for (int i = 0; i < n; i++) {
    ig_value *v = laid_out(node, i);
    if (v) v->layout = wanted(l, node, i, shared);
  }
  const ig_impl *impl;
  bool runs = ig_op_choose(node, l->device, &impl) == IG_OK;
  for (int i = n - 1; i >= 0; i--) { /* backwards: an operand that comes twice gets its first */
    ig_value *v = i < node->n_inputs ? node->inputs[i] : node->outputs[i - node->n_inputs];
    if (v) v->layout = before[i];
  }
  return runs;
}

static ig_status lay_out(layouts *l, ig_node *node) {
  ig_layout shared = shared_layout(l, node);
  if (shared != IG_LAYOUT_ROWS && !runs_in(l, node, shared)) shared = IG_LAYOUT_ROWS;
  for (int i = 0; i < node->n_inputs; i++) {
    ig_value *v = node->inputs[i];
    if (!v || v->shape.rank != 4) continue;
    ig_value *as = in_layout(l, v, wanted(l, node, i, shared));
    IG_TRY(ig_graph_status(l->graph));
    if (as != v) IG_TRY(ig_node_set_input(l->graph, node, i, as));
  }
  for (int i = 0; i < node->n_outputs; i++) {
    ig_layout layout = wanted(l, node, node->n_inputs + i, shared);
    if (node->outputs[i]->layout != layout) (*l->changes)++;
    node->outputs[i]->layout = layout;
  }
  return IG_OK;
}

static ig_status layout_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  layouts l = {.graph = graph, .device = options->device, .changes = changes};
  l.reordered = ig_alloc_zero((size_t)graph->n_values * LAYOUTS + 1, sizeof *l.reordered);
  IG_CHECK_ALLOC(l.reordered);
  ig_status status = IG_OK;
  int32_t n_nodes = graph->n_nodes; /* reorders are appended */
  for (int32_t i = 0; i < n_nodes && status == IG_OK; i++) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node)) status = lay_out(&l, node);
  }
  ig_free(l.reordered);
  return status;
}

const ig_pass ig_pass_layout = {
    .name = "layout",
    .what = "convolutions and what lies between them in the device's layout",
    .run = layout_run,
};
