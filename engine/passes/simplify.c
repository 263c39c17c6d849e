/* Removes nodes that pass their input on unchanged: Identity, Cast to the same type, Dropout outside
 * training, Reshape and its kin to the same shape, Transpose in order, adding zero and multiplying
 * by one; and joins Transpose after Transpose. Works on concrete graphs, where equal shapes are
 * equal for good. */
#include <string.h>

#include "engine/passes/rewrite.h"

/* In a pass-through the two values hold the same bytes, but an output or an assigned value needs a
 * buffer of its own: it may move to a node's result that has no such duty yet. */
static bool may_bypass(const ig_graph *graph, const ig_value *out, const ig_value *in) {
  if (ig_value_use_count(graph, out) == out->n_uses) return true;
  return in->kind == IG_VALUE_RESULT && ig_value_use_count(graph, in) == in->n_uses;
}

static bool same_type(const ig_value *a, const ig_value *b) {
  return a->dtype == b->dtype && ig_shape_equal(&a->shape, &b->shape);
}

static bool dropout_is_off(const ig_graph *graph, const ig_node *node) {
  for (int i = 1; i < node->n_outputs; i++) {
    if (ig_value_use_count(graph, node->outputs[i]) > 0) return false;
  }
  double training = 0;
  return node->n_inputs < 3 || !node->inputs[2] ||
         (ig_const_splat(node->inputs[2], &training) && training == 0);
}

static bool is_splat(const ig_node *node, int input, double wanted) {
  double value;
  return ig_const_splat(node->inputs[input], &value) && value == wanted;
}

/* The neutral element on either side of a commutative operator, on the right of the others. */
static ig_value *neutral(const ig_node *node) {
  bool sum = ig_node_is(node, "Add"), product = ig_node_is(node, "Mul");
  double unit = sum || ig_node_is(node, "Sub") ? 0 : 1;
  if (!sum && !product && !ig_node_is(node, "Sub") && !ig_node_is(node, "Div") &&
      !ig_node_is(node, "Pow")) {
    return NULL;
  }
  if (is_splat(node, 1, unit)) return node->inputs[0];
  return (sum || product) && is_splat(node, 0, unit) ? node->inputs[1] : NULL;
}

static bool keeps_order(const ig_node *node) {
  const char *const names[] = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand"};
  for (int i = 0; i < IG_COUNT(names); i++) {
    if (ig_node_is(node, names[i])) return true;
  }
  return false;
}

/* Reads perm; without one, ONNX reverses the dimensions. */
static void permutation(const ig_node *node, int perm[IG_MAX_RANK]) {
  int rank = node->inputs[0]->shape.rank;
  ig_attr list[IG_MOST_ATTRS];
  int n = ig_attr_list(node, list);
  for (int d = 0; d < rank; d++) perm[d] = rank - 1 - d;
  for (int i = 0; i < n; i++) {
    if (strcmp(list[i].name, "perm") != 0 || list[i].ints.n != rank) continue;
    for (int d = 0; d < rank; d++) perm[d] = (int)list[i].ints.v[d];
  }
}

static bool transposes_nothing(const ig_node *node) {
  int perm[IG_MAX_RANK];
  permutation(node, perm);
  for (int d = 0; d < node->inputs[0]->shape.rank; d++) {
    if (perm[d] != d) return false;
  }
  return true;
}

/* The input that the node's output 0 equals, or NULL. */
static ig_value *passed_on(const ig_graph *graph, const ig_node *node) {
  ig_value *in = node->n_inputs > 0 ? node->inputs[0] : NULL;
  if (!in) return NULL;
  if (ig_node_is(node, "Identity")) return in;
  if (ig_node_is(node, "Dropout")) return dropout_is_off(graph, node) ? in : NULL;
  if (ig_node_is(node, "Transpose")) return transposes_nothing(node) ? in : NULL;
  if (!keeps_order(node) && !ig_node_is(node, "Cast")) in = neutral(node);
  return in && same_type(in, node->outputs[0]) ? in : NULL;
}

/* Transpose(Transpose(x)) as one; the inner one stays for its other users. */
static ig_status join_transposes(ig_graph *graph, ig_node *node, int *changes) {
  ig_node *inner = node->inputs[0]->producer;
  if (!ig_node_is(inner, "Transpose")) return IG_OK;
  int outer_perm[IG_MAX_RANK], inner_perm[IG_MAX_RANK];
  int64_t perm[IG_MAX_RANK];
  permutation(node, outer_perm);
  permutation(inner, inner_perm);
  int rank = node->outputs[0]->shape.rank;
  for (int d = 0; d < rank; d++) perm[d] = inner_perm[outer_perm[d]];
  ig_node *joined = ig_graph_node(graph, "Transpose", node->name, IG_INS(inner->inputs[0]),
                                  IG_ATTRS(IG_INTS("perm", rank, perm)), 1);
  IG_TRY(ig_graph_status(graph));
  (*changes)++;
  return ig_node_replace(graph, node, joined, 1);
}

static ig_status simplify_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  for (int32_t i = 0; i < graph->n_nodes; i++) { /* joined nodes are appended, and looked at too */
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    ig_value *in = passed_on(graph, node);
    if (in && may_bypass(graph, node->outputs[0], in)) {
      IG_TRY(ig_value_replace(graph, node->outputs[0], in));
      ig_node_remove(graph, node);
      (*changes)++;
    } else if (!in && ig_node_is(node, "Transpose")) {
      IG_TRY(join_transposes(graph, node, changes));
    }
  }
  return IG_OK;
}

const ig_pass ig_pass_simplify = {
    .name = "simplify",
    .what = "remove nodes that change nothing",
    .run = simplify_run,
};
