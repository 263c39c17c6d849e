/* GELU in pieces, as exporters write it, becomes Gelu: x/2 (1 + erf(x / sqrt 2)), and with tanh
 * x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). The three factors x, 1/2 and the sum may be multiplied
 * in any order; constants are compared to 1e-4 of themselves, as files round them. Before autodiff. */
#include <math.h>

#include "engine/passes/rewrite.h"

static bool near(double value, double wanted) { return fabs(value - wanted) <= 1e-4 * wanted; }

/* The other operand of a commutative node that has a constant of `wanted` on either side, or NULL. */
static ig_value *beside(const ig_node *node, double wanted) {
  double value;
  for (int i = 0; i < 2; i++) {
    if (ig_const_splat(node->inputs[i], &value) && near(value, wanted)) return node->inputs[1 - i];
  }
  return NULL;
}

/* x of x / sqrt(2). */
static ig_value *erf_argument(const ig_graph *graph, ig_value *value) {
  double divisor;
  ig_node *mul = ig_sole_producer(graph, value, "Mul"), *div = ig_sole_producer(graph, value, "Div");
  if (mul) return beside(mul, sqrt(0.5));
  if (!div || !ig_const_splat(div->inputs[1], &divisor)) return NULL;
  return near(divisor, sqrt(2.0)) ? div->inputs[0] : NULL;
}

static bool is_cube(const ig_graph *graph, const ig_value *value, const ig_value *x) {
  double power;
  ig_node *pow = ig_sole_producer(graph, value, "Pow"), *mul = ig_sole_producer(graph, value, "Mul");
  if (pow) return pow->inputs[0] == x && ig_const_splat(pow->inputs[1], &power) && power == 3;
  for (int i = 0; i < 2 && mul; i++) {
    ig_node *square = ig_sole_producer(graph, mul->inputs[1 - i], "Mul");
    if (mul->inputs[i] == x && square && square->inputs[0] == x && square->inputs[1] == x) return true;
  }
  return false;
}

/* x of sqrt(2/pi) (x + 0.044715 x^3). */
static ig_value *tanh_argument(const ig_graph *graph, ig_value *value) {
  ig_node *scale = ig_sole_producer(graph, value, "Mul");
  ig_value *inside = scale ? beside(scale, sqrt(2.0 / 3.14159265358979323846)) : NULL;
  ig_node *sum = ig_sole_producer(graph, inside, "Add");
  for (int i = 0; i < 2 && sum; i++) {
    ig_node *term = ig_sole_producer(graph, sum->inputs[1 - i], "Mul");
    ig_value *cube = term ? beside(term, 0.044715) : NULL;
    if (cube && is_cube(graph, cube, sum->inputs[i])) return sum->inputs[i];
  }
  return NULL;
}

/* The node that makes `sum` times x times 1/2, or NULL. */
static ig_node *product_of(const ig_graph *graph, ig_value *sum, const ig_value *x) {
  bool half = false, whole = false;
  ig_node *last = NULL;
  for (ig_value *at = sum; !half || !whole; at = last->outputs[0]) {
    ig_node *user = ig_sole_user(graph, at);
    if (!user || !ig_node_is(user, "Mul")) return NULL;
    ig_value *other = user->inputs[user->inputs[0] == at];
    double value;
    ig_node *halved = ig_sole_producer(graph, other, "Mul");
    if (!whole && other == x) {
      whole = true;
    } else if (!half && ig_const_splat(other, &value) && value == 0.5) {
      half = true;
    } else if (!half && !whole && halved && beside(halved, 0.5) == x) {
      half = whole = true;
    } else {
      return NULL;
    }
    last = user;
  }
  return last;
}

static ig_status recognise(ig_graph *graph, ig_node *node, int *changes) {
  bool tanh_form = ig_node_is(node, "Tanh");
  ig_value *x = tanh_form ? tanh_argument(graph, node->inputs[0]) : erf_argument(graph, node->inputs[0]);
  ig_node *add = x ? ig_sole_user(graph, node->outputs[0]) : NULL;
  if (!add || !ig_node_is(add, "Add") || beside(add, 1) != node->outputs[0]) return IG_OK;
  ig_node *last = product_of(graph, add->outputs[0], x);
  if (!last || !ig_shape_equal(&last->outputs[0]->shape, &x->shape)) return IG_OK;
  ig_value *made = ig_op1(graph, "Gelu", last->name, IG_INS(x),
                          IG_ATTRS(IG_STRING("approximate", tanh_form ? "tanh" : "none")));
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, last->outputs[0], made));
  ig_node_remove(graph, last);
  (*changes)++;
  return IG_OK;
}

static ig_status recognise_gelu_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    if (ig_node_is(node, "Erf") || ig_node_is(node, "Tanh")) IG_TRY(recognise(graph, node, changes));
  }
  return IG_OK;
}

const ig_pass ig_pass_recognise_gelu = {
    .name = "recognise_gelu",
    .what = "GELU in pieces as one operator",
    .run = recognise_gelu_run,
};
