/* Roles by operator, and the flow of codes: a greatest fixed point. At first every candidate computes on
 * codes; those that read something else, or whose codes nobody reads, leave until none does. */
#include "engine/quantize/roles.h"

#include <string.h>

#include "engine/passes/rewrite.h"

static bool is_one_of(const ig_node *node, const char *const *names) {
  for (int i = 0; names[i]; i++) {
    if (strcmp(node->op->name, names[i]) == 0) return true;
  }
  return false;
}

static bool is_leaf(const ig_value *value) {
  return value && (value->kind == IG_VALUE_PARAM || value->kind == IG_VALUE_CONST);
}

/* A parameter that the node multiplies something with that is none. */
static bool is_weight(const ig_node *node, int input, int least_rank) {
  if (input > 0 && is_leaf(node->inputs[0])) return false;
  const ig_value *w = input < node->n_inputs ? node->inputs[input] : NULL;
  return w && w->kind == IG_VALUE_PARAM && w->dtype == IG_F32 && w->shape.rank >= least_rank &&
         ig_value_count(w) > 0;
}

static ig_quant_role weighted(const ig_node *node, int input, int channel_axis, int sum_axis,
                              ig_quant_role role, ig_quant_layer *layer) {
  layer->node = node->name;
  layer->op = node->op->name;
  layer->weight = node->inputs[input]->name;
  layer->weight_input = input;
  layer->channel_axis = channel_axis;
  layer->sum_axis = sum_axis;
  return role;
}

static ig_quant_role product_role(const ig_node *node, ig_quant_layer *layer) {
  if (ig_node_is(node, "Conv") && is_weight(node, 1, 3)) {
    return weighted(node, 1, 0, 1, IG_QUANT_PRODUCT, layer);
  }
  if (ig_node_is(node, "ConvTranspose") && is_weight(node, 1, 3)) {
    return weighted(node, 1, 1, 0, IG_QUANT_PRODUCT, layer);
  }
  if (ig_node_is(node, "Gemm") && is_weight(node, 1, 2)) {
    bool transposed = ig_attr_int_of(node, "transB", 0) != 0;
    return weighted(node, 1, transposed ? 0 : 1, transposed ? 1 : 0, IG_QUANT_PRODUCT, layer);
  }
  if (ig_node_is(node, "MatMul") && is_weight(node, 1, 2)) {
    int rank = node->inputs[1]->shape.rank;
    return weighted(node, 1, rank - 1, rank - 2, IG_QUANT_PRODUCT, layer);
  }
  if (ig_node_is(node, "Gather") && is_weight(node, 0, 2) && node->inputs[0]->shape.rank == 2 &&
      ig_attr_int_of(node, "axis", 0) == 0) {
    return weighted(node, 0, 0, 1, IG_QUANT_TABLE, layer);
  }
  return IG_QUANT_OTHER;
}

/* Relu, or Clip between constants. */
static bool is_clamp(const ig_node *node) {
  if (ig_node_is(node, "Relu")) return true;
  if (!ig_node_is(node, "Clip")) return false;
  for (int i = 1; i < node->n_inputs; i++) {
    if (node->inputs[i] && !ig_value_is_const(node->inputs[i])) return false;
  }
  return true;
}

static bool moves(const ig_node *node) {
  static const char *const names[] = {"Reshape", "Flatten",      "Transpose",    "Squeeze",
                                      "Unsqueeze", "MaxPool",    "Slice",        "Split",
                                      "DepthToSpace", "SpaceToDepth", "GlobalMaxPool", NULL};
  if (!is_one_of(node, names)) return false;
  bool indices = ig_node_is(node, "MaxPool") && node->n_outputs > 1;
  return !indices && !is_leaf(node->inputs[0]);
}

static bool joins(const ig_node *node) {
  static const char *const one[] = {"AveragePool", "GlobalAveragePool", "Sigmoid", "Tanh",
                                    "HardSigmoid", "HardSwish",         "Gelu",    "LeakyRelu",
                                    "Elu",         "Mish",              "Swish",   "Softplus",
                                    NULL};
  if (is_one_of(node, one) || is_clamp(node)) return !is_leaf(node->inputs[0]);
  if (!ig_node_is(node, "Add") && !ig_node_is(node, "Concat")) return false;
  for (int i = 0; i < node->n_inputs; i++) {
    if (!node->inputs[i] || is_leaf(node->inputs[i])) return false;
  }
  return true;
}

ig_quant_role ig_quant_role_of(const ig_node *node, ig_quant_layer *layer) {
  ig_quant_role role = product_role(node, layer);
  if (role != IG_QUANT_OTHER) return role;
  layer->node = node->name;
  layer->op = node->op->name;
  if (moves(node)) return IG_QUANT_MOVE;
  return joins(node) ? IG_QUANT_JOIN : IG_QUANT_OTHER;
}

int ig_quant_activations(const ig_node *node) {
  return ig_node_is(node, "Add") || ig_node_is(node, "Concat") ? node->n_inputs : 1;
}

/* --- the flow ---------------------------------------------------------------------------------- */

static const ig_quant_layer *find_layer(const ig_recipe *recipe, const char *node) {
  for (int i = 0; i < recipe->n_layers; i++) {
    if (strcmp(recipe->layers[i].node, node) == 0) return &recipe->layers[i];
  }
  return NULL;
}

static bool is_of_kind(ig_quant_format format, ig_quant_kind kind) {
  if (kind == IG_QUANT_HALVES) return format == IG_QUANT_F16 || format == IG_QUANT_BF16;
  return format == IG_QUANT_INT8 || format == IG_QUANT_FP8;
}

/* The only reader of a value; NULL when there are others or it is an output. */
static ig_node *sole_reader(const ig_graph *graph, const ig_value *value) {
  return ig_sole_user(graph, value);
}

/* Behind a product: a bias by Add, then a clamp; behind a sum: a clamp. */
static const ig_value *end_of(const ig_graph *graph, const ig_node *root, ig_quant_role role,
                              const ig_node **ends) {
  const ig_value *value = root->outputs[0];
  ig_node *next = sole_reader(graph, value);
  int n = 0;
  if (next && role == IG_QUANT_PRODUCT && ig_node_is(next, "Add") &&
      (is_leaf(next->inputs[0]) || is_leaf(next->inputs[1]))) {
    ends[n++] = next;
    value = next->outputs[0];
    next = sole_reader(graph, value);
  }
  bool summed = role == IG_QUANT_PRODUCT || ig_node_is(root, "Add");
  if (next && summed && is_clamp(next)) {
    ends[n++] = next;
    value = next->outputs[0];
  }
  ends[n] = NULL;
  return value;
}

const ig_value *ig_quant_result(const ig_graph *graph, const ig_quant_flow *flow,
                                const ig_node *root) {
  const ig_node *ends[3];
  return end_of(graph, root, flow->role[root->id], ends);
}

static void set_roles(const ig_graph *graph, const ig_recipe *recipe, ig_quant_kind kind,
                      ig_quant_flow *flow) {
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    ig_quant_layer unused;
    ig_quant_role role = ig_quant_role_of(node, &unused);
    flow->role[i] = role;
    flow->layer[i] = recipe ? find_layer(recipe, node->name) : NULL;
    bool wanted = recipe ? flow->layer[i] && is_of_kind(flow->layer[i]->format, kind) : true;
    bool may = role != IG_QUANT_OTHER && (role != IG_QUANT_TABLE || kind == IG_QUANT_HALVES);
    flow->coded[i] = wanted && may;
  }
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i], *ends[3];
    bool ending = flow->role[i] == IG_QUANT_PRODUCT || ig_node_is(node, "Add");
    if (!ending || !flow->coded[i] || flow->root[i]) continue;
    end_of(graph, node, flow->role[i], ends);
    for (int k = 0; ends[k]; k++) {
      flow->root[ends[k]->id] = node;
      flow->coded[ends[k]->id] = false;
    }
  }
}

/* Whether the value is there as codes, or will be since a product reads it so. */
static bool is_coded(const ig_quant_flow *flow, const ig_value *value) {
  if (value->kind == IG_VALUE_RESULT) {
    const ig_node *root = flow->root[value->producer->id];
    if (flow->coded[root ? root->id : value->producer->id]) return true;
  }
  for (int32_t i = 0; i < value->n_uses; i++) {
    const ig_use *use = &value->uses[i];
    bool product = flow->role[use->node->id] == IG_QUANT_PRODUCT && flow->coded[use->node->id];
    if (product && use->input == 0) return true;
  }
  return false;
}

static bool is_read_as_codes(const ig_quant_flow *flow, const ig_value *value) {
  for (int32_t i = 0; i < value->n_uses; i++) {
    const ig_use *use = &value->uses[i];
    if (flow->coded[use->node->id] && use->input < ig_quant_activations(use->node)) return true;
  }
  return false;
}

static bool may_stay(const ig_graph *graph, const ig_quant_flow *flow, const ig_node *node) {
  for (int i = 0; i < ig_quant_activations(node); i++) {
    if (!is_coded(flow, node->inputs[i])) return false;
  }
  bool read = false;
  if (flow->role[node->id] == IG_QUANT_JOIN) {
    return is_read_as_codes(flow, ig_quant_result(graph, flow, node));
  }
  for (int i = 0; i < node->n_outputs; i++) read = read || is_read_as_codes(flow, node->outputs[i]);
  return read;
}

static void settle(const ig_graph *graph, ig_quant_flow *flow) {
  for (bool changed = true; changed;) {
    changed = false;
    for (int32_t i = 0; i < graph->n_nodes; i++) {
      bool between = flow->role[i] == IG_QUANT_JOIN || flow->role[i] == IG_QUANT_MOVE;
      if (!between || !flow->coded[i] || may_stay(graph, flow, graph->nodes[i])) continue;
      flow->coded[i] = false;
      changed = true;
    }
  }
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    if (flow->root[i] && !flow->coded[flow->root[i]->id]) flow->root[i] = NULL;
    for (int k = 0; flow->coded[i] && k < ig_quant_activations(node); k++) {
      flow->quantized[node->inputs[k]->id] = true;
    }
  }
}

ig_status ig_quant_flow_create(const ig_graph *graph, const ig_recipe *recipe, ig_quant_kind kind,
                               ig_quant_flow *out) {
  size_t n = (size_t)graph->n_nodes + 1;
  *out = (ig_quant_flow){.layer = ig_alloc_zero(n, sizeof *out->layer),
                         .role = ig_alloc_zero(n, sizeof *out->role),
                         .coded = ig_alloc_zero(n, sizeof *out->coded),
                         .root = ig_alloc_zero(n, sizeof *out->root),
                         .quantized = ig_alloc_zero((size_t)graph->n_values + 1, 1)};
  if (!out->layer || !out->role || !out->coded || !out->root || !out->quantized) {
    ig_quant_flow_release(out);
    return ig_fail(IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  }
  set_roles(graph, recipe, kind, out);
  settle(graph, out);
  return IG_OK;
}

void ig_quant_flow_release(ig_quant_flow *flow) {
  ig_free(flow->layer);
  ig_free(flow->role);
  ig_free(flow->coded);
  ig_free(flow->root);
  ig_free(flow->quantized);
  *flow = (ig_quant_flow){0};
}
