/* Activations that are quantized as they come: DynamicQuantizeLinear, MatMulInteger, Cast and the Muls by
 * both scales become ingot.DynamicQuantizedMatMul. The Muls may stand in any order: exporters multiply the
 * scales with each other or the sums with one after the other. */
#include "engine/passes/rewrite.h"

typedef struct pattern {
  ig_node *quantize, *product;
  ig_value *codes;  /* of the weights: [k, n], or transposed */
  bool transposed;
  ig_value *scale;  /* of the weights */
  ig_value *result; /* the last product with a scale */
  int64_t zero;     /* of the weights */
} pattern;

static bool is_fixed(const ig_value *value) {
  return value->kind == IG_VALUE_PARAM || value->kind == IG_VALUE_CONST;
}

static ig_value *input(const ig_node *node, int i) {
  return i < node->n_inputs ? node->inputs[i] : NULL;
}

static const ig_value *other_operand(const ig_node *node, const ig_value *value) {
  return node->inputs[0] == value ? node->inputs[1] : node->inputs[0];
}

/* The product's operands: the codes and zero point of one DynamicQuantizeLinear, and a fixed matrix with
 * one zero point. */
static bool read_product(ig_node *product, pattern *p) {
  ig_value *x = product->inputs[0], *w = product->inputs[1];
  ig_value *x_zero = input(product, 2), *w_zero = input(product, 3);
  double zero = 0;
  *p = (pattern){.product = product};
  if (x->kind != IG_VALUE_RESULT || !ig_node_is(x->producer, "DynamicQuantizeLinear")) return false;
  p->quantize = x->producer;
  if (x != p->quantize->outputs[0] || x_zero != p->quantize->outputs[2]) return false;
  if (w->kind == IG_VALUE_RESULT && w->shape.rank == 2 && ig_node_is(w->producer, "Transpose")) {
    w = w->producer->inputs[0]; /* one that keeps the order is gone by now */
    p->transposed = true;
  }
  if (!is_fixed(w) || w->shape.rank != 2 || x->shape.rank < 1) return false;
  p->codes = w;
  if (w_zero && !ig_const_splat(w_zero, &zero)) return false;
  if (w->dtype == IG_I8 && zero != 0) return false;
  p->zero = (int64_t)zero;
  return true;
}

/* Takes `factor` for one scale or both, each once. */
static bool take_factor(pattern *p, const ig_value *factor, bool *by_x) {
  ig_value *x_scale = p->quantize->outputs[1];
  if (factor == x_scale && !*by_x) {
    *by_x = true;
    return true;
  }
  if (is_fixed(factor) && factor->dtype == IG_F32 && !p->scale) {
    p->scale = (ig_value *)factor;
    return true;
  }
  const ig_node *both = factor->kind == IG_VALUE_RESULT ? factor->producer : NULL;
  if (!ig_node_is(both, "Mul") || *by_x || p->scale) return false;
  if (both->inputs[0] != x_scale && both->inputs[1] != x_scale) return false;
  const ig_value *scale = other_operand(both, x_scale);
  if (!is_fixed(scale) || scale->dtype != IG_F32) return false;
  p->scale = (ig_value *)scale;
  *by_x = true;
  return true;
}

static bool fits_columns(const ig_value *scale, int64_t n) {
  int64_t count = ig_value_count(scale);
  return scale->shape.rank <= 2 && (count == 1 || (count == n && scale->shape.rank > 0 &&
                                                    scale->shape.dims[scale->shape.rank - 1] == n));
}

static bool read_pattern(const ig_graph *graph, ig_node *product, pattern *p) {
  bool by_x = false;
  if (!read_product(product, p)) return false;
  ig_node *user = ig_sole_user(graph, product->outputs[0]);
  if (!ig_node_is(user, "Cast") || user->outputs[0]->dtype != IG_F32) return false;
  p->result = user->outputs[0];
  while (!by_x || !p->scale) {
    user = ig_sole_user(graph, p->result);
    if (!ig_node_is(user, "Mul")) return false;
    if (!take_factor(p, other_operand(user, p->result), &by_x)) return false;
    if (!ig_shape_equal(&user->outputs[0]->shape, &p->result->shape)) return false;
    p->result = user->outputs[0];
  }
  int64_t n = product->inputs[1]->shape.dims[1];
  return fits_columns(p->scale, n);
}

static ig_status lower(ig_graph *graph, const pattern *p) {
  ig_value *scale = p->scale;
  if (scale->shape.rank > 1) { /* [1, N] of graphs that multiply matrices of scales */
    int64_t all = -1;
    scale = ig_op1(graph, "Reshape", NULL, IG_INS(scale, ig_graph_const_i64s(graph, 1, &all)),
                   IG_NO_ATTRS);
  }
  ig_node *lowered = ig_graph_node(
      graph, "ingot.DynamicQuantizedMatMul", p->product->name,
      IG_INS(p->quantize->inputs[0], p->codes, scale),
      IG_ATTRS(IG_INT("trans_b", p->transposed), IG_INT("w_zero", p->zero)), 1);
  IG_TRY(ig_graph_status(graph));
  return ig_value_replace(graph, p->result, lowered->outputs[0]); /* what is unused goes with dce */
}

static ig_status lower_dynamic_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  if (options->device != IG_CPU) return IG_OK;
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    pattern p;
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node) || !ig_node_is(node, "MatMulInteger")) continue;
    if (!read_pattern(graph, node, &p)) continue;
    IG_TRY(lower(graph, &p));
    ++*changes;
  }
  return IG_OK;
}

const ig_pass ig_pass_lower_dynamic = {
    .name = "lower_dynamic",
    .what = "products of activations that are quantized as they come",
    .run = lower_dynamic_run,
};
