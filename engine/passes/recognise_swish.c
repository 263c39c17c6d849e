/* Gates in pieces, as exporters write them, become one operator: x sigmoid(alpha x) Swish (Ramachandran et al. 2017;
 * with alpha 1.702 the quick GELU of CLIP), x clip(x + 3, 0, 6) / 6 HardSwish, whether the gate is in pieces or a
 * HardSigmoid, and clip(x + 3, 0, 6) / 6 alone HardSigmoid. Swish and HardSigmoid are made on the CPU alone: a GPU
 * has trees of elementwise functions as one kernel anyway. Before autodiff. */
#include <math.h>

#include "engine/passes/rewrite.h"

static bool near(double value, double wanted) { return fabs(value - wanted) <= 1e-4 * wanted; }

/* The operand beside a known number, which is put into *number; the number on either side. NULL without one. */
static ig_value *beside_number(const ig_node *node, double *number) {
  for (int i = 0; i < 2; i++) {
    if (ig_const_splat(node->inputs[i], number) &&
        ig_shape_equal(&node->inputs[1 - i]->shape, &node->outputs[0]->shape)) {
      return node->inputs[1 - i];
    }
  }
  return NULL;
}

/* x of clip(x + 3, 0, 6). */
static ig_value *clipped(const ig_graph *graph, ig_value *value) {
  double low, high, three;
  ig_node *clip = ig_sole_producer(graph, value, "Clip");
  if (!clip || clip->n_inputs < 3 || !clip->inputs[1] || !clip->inputs[2]) return NULL;
  if (!ig_const_splat(clip->inputs[1], &low) || !ig_const_splat(clip->inputs[2], &high)) return NULL;
  ig_node *add = ig_sole_producer(graph, clip->inputs[0], "Add");
  ig_value *x = add ? beside_number(add, &three) : NULL;
  return x && low == 0 && high == 6 && three == 3 ? x : NULL;
}

/* What is divided by six, in either way. */
static ig_value *sixth(ig_node *node) {
  double number;
  if (ig_node_is(node, "Div")) {
    return ig_const_splat(node->inputs[1], &number) && number == 6 ? node->inputs[0] : NULL;
  }
  ig_value *whole = ig_node_is(node, "Mul") ? beside_number(node, &number) : NULL;
  return whole && near(number, 1.0 / 6) ? whole : NULL;
}

/* x of a gate of clip(x + 3, 0, 6) / 6. */
static ig_value *hard_gate(const ig_graph *graph, ig_value *gate) {
  ig_node *whole = ig_sole_producer(graph, gate, "HardSigmoid");
  if (whole) {
    bool usual = near((double)ig_attr_float_of(whole, "alpha", 0.2f), 1.0 / 6) &&
                 ig_attr_float_of(whole, "beta", 0.5f) == 0.5f;
    return usual ? whole->inputs[0] : NULL;
  }
  ig_node *div = ig_sole_producer(graph, gate, "Div"), *mul = ig_sole_producer(graph, gate, "Mul");
  ig_value *six = div || mul ? sixth(div ? div : mul) : NULL;
  return six ? clipped(graph, six) : NULL;
}

/* x of sigmoid(alpha x), where that or its multiple is `x`. */
static bool soft_gate(const ig_graph *graph, ig_value *gate, const ig_value *x, float *alpha) {
  double factor;
  ig_node *sigmoid = ig_sole_producer(graph, gate, "Sigmoid");
  if (!sigmoid) return false;
  *alpha = 1;
  if (sigmoid->inputs[0] == x) return true;
  ig_node *mul = ig_sole_producer(graph, sigmoid->inputs[0], "Mul");
  if (!mul || beside_number(mul, &factor) != x || !isfinite((float)factor)) return false;
  *alpha = (float)factor;
  return true;
}

static ig_status put(ig_graph *graph, ig_node *last, const char *op, ig_value *x, int n, const ig_attr *attrs,
                     int *changes) {
  ig_value *made = ig_op1(graph, op, last->name, IG_INS(x), n, attrs);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, last->outputs[0], made));
  ig_node_remove(graph, last);
  (*changes)++;
  return IG_OK;
}

/* A product of x and a gate of x. */
static ig_status read_product(ig_graph *graph, ig_node *mul, bool cpu, int *changes) {
  for (int i = 0; i < 2; i++) {
    ig_value *x = mul->inputs[i], *gate = mul->inputs[1 - i];
    float alpha;
    if (!ig_dtype_is_float(x->dtype)) return IG_OK;
    if (hard_gate(graph, gate) == x) return put(graph, mul, "HardSwish", x, IG_NO_ATTRS, changes);
    if (cpu && soft_gate(graph, gate, x, &alpha)) {
      return put(graph, mul, "Swish", x, IG_ATTRS(IG_FLOAT("alpha", alpha)), changes);
    }
    ig_node *user = ig_sole_user(graph, mul->outputs[0]);
    if (user && clipped(graph, gate) == x && sixth(user) == mul->outputs[0]) {
      return put(graph, user, "HardSwish", x, IG_NO_ATTRS, changes);
    }
  }
  return IG_OK;
}

static ig_status recognise_swish_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  bool cpu = options->device == IG_CPU;
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node) && ig_node_is(node, "Mul")) IG_TRY(read_product(graph, node, cpu, changes));
  }
  for (int32_t i = 0; i < n_nodes && cpu; i++) { /* gates of others, when those of their own are gone */
    ig_node *node = graph->nodes[i];
    bool scales = ig_node_is_live(node) && (ig_node_is(node, "Mul") || ig_node_is(node, "Div"));
    ig_value *six = scales ? sixth(node) : NULL, *x = six ? clipped(graph, six) : NULL;
    if (!x || !ig_dtype_is_float(x->dtype)) continue;
    IG_TRY(put(graph, node, "HardSigmoid", x,
               IG_ATTRS(IG_FLOAT("alpha", 1.0f / 6), IG_FLOAT("beta", 0.5f)), changes));
  }
  return IG_OK;
}

const ig_pass ig_pass_recognise_swish = {
    .name = "recognise_swish",
    .what = "swish, hard swish and hard sigmoid in pieces as one operator",
    .run = recognise_swish_run,
};
