/* What stands between quantized products: sums, means, pieces side by side, and functions of one number,
 * from codes to codes. A tree of elementwise functions of one quantized tensor and known numbers, up to a
 * QuantizeLinear, is a table of 256 codes: the tree itself over all codes, computed when the plan is made. */
#include <string.h>

#include "engine/passes/quantized.h"

/* --- sums ------------------------------------------------------------------------------------- */

/* What may come between a sum and its QuantizeLinear. */
typedef struct bounds {
  const char *name;
  float a, b;
} bounds;

static float bound_of(const ig_node *node, int input, float fallback, bool *known) {
  double value = (double)fallback;
  if (node->n_inputs > input && node->inputs[input]) {
    *known = *known && ig_const_splat(node->inputs[input], &value);
  }
  return (float)value;
}

/* The Relu or Clip that alone reads `value`, or NULL. */
static ig_node *bounded_by(const ig_graph *graph, const ig_value *value, bounds *out) {
  ig_node *user = ig_sole_user(graph, value);
  bool known = true;
  *out = (bounds){.name = ""};
  if (ig_node_is(user, "Relu")) {
    out->name = "Relu";
    return user;
  }
  if (!ig_node_is(user, "Clip") || user->inputs[0] != value) return NULL;
  bounds clip = {"Clip", bound_of(user, 1, -3.402823466e38f, &known),
                 bound_of(user, 2, 3.402823466e38f, &known)};
  if (!known) return NULL;
  *out = clip;
  return user;
}

static ig_status lower_add(ig_graph *graph, ig_node *node, int *changes) {
  ig_coded x, z, y;
  bounds f;
  if (!ig_node_is(node, "Add") || !ig_coded_source(node->inputs[0], &x) ||
      !ig_coded_source(node->inputs[1], &z) ||
      !ig_shape_equal(&x.codes->shape, &z.codes->shape)) {
    return IG_OK;
  }
  ig_node *bound = bounded_by(graph, node->outputs[0], &f);
  ig_node *encode = ig_coded_sink(graph, bound ? bound->outputs[0] : node->outputs[0], &y);
  if (!encode) return IG_OK;
  ig_node *made = ig_graph_node(
      graph, "ingot.QuantizedAdd", node->name, IG_INS(x.codes, z.codes),
      IG_ATTRS(IG_FLOAT("x_scale", x.scale), IG_INT("x_zero", x.zero), IG_FLOAT("z_scale", z.scale),
               IG_INT("z_zero", z.zero), IG_FLOAT("y_scale", y.scale), IG_INT("y_zero", y.zero),
               IG_INT("to", ig_dtype_to_onnx(y.dtype)), IG_STRING("activation", f.name),
               IG_FLOAT("activation_alpha", f.a), IG_FLOAT("activation_beta", f.b)),
      1);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_node_replace(graph, encode, made, 1));
  if (bound) ig_node_remove(graph, bound);
  ig_node_remove(graph, node);
  (*changes)++;
  return IG_OK;
}

/* --- means ------------------------------------------------------------------------------------ */

/* Whether the node takes the mean of each channel of [N, C, spatial...]. */
static bool is_whole_mean(const ig_node *node) {
  if (ig_node_is(node, "GlobalAveragePool")) return true;
  if (!ig_node_is(node, "ReduceMean")) return false;
  int64_t axes[IG_MAX_RANK];
  int n = 0, rank = node->inputs[0]->shape.rank;
  unsigned seen = 0;
  if (node->n_inputs < 2 || !ig_value_is_const(node->inputs[1]) || rank < 3) return false;
  if (ig_value_const_ints(node->inputs[1], "axes", IG_MAX_RANK, axes, &n) != IG_OK) {
    ig_clear_error();
    return false;
  }
  for (int i = 0; i < n; i++) seen |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
  return seen == ((1u << rank) - 1) - 3; /* all but the first two */
}

static ig_status lower_pool(ig_graph *graph, ig_node *node, int *changes) {
  ig_coded x, y = {.scale = 1, .dtype = IG_F32};
  ig_attr attrs[IG_MOST_ATTRS];
  bool whole = is_whole_mean(node);
  if ((!whole && !ig_node_is(node, "AveragePool")) || !ig_coded_source(node->inputs[0], &x)) {
    return IG_OK;
  }
  const ig_shape *shape = &x.codes->shape;
  if (shape->rank > 4) return IG_OK;
  int n = whole ? 0 : ig_attr_list(node, attrs);
  if (whole) ig_attr_put(attrs, &n, IG_INTS("kernel_shape", shape->rank - 2, shape->dims + 2));
  ig_node *encode = ig_coded_sink(graph, node->outputs[0], &y);
  ig_attr_put(attrs, &n, IG_FLOAT("x_scale", x.scale));
  ig_attr_put(attrs, &n, IG_INT("x_zero", x.zero));
  ig_attr_put(attrs, &n, IG_FLOAT("y_scale", y.scale));
  ig_attr_put(attrs, &n, IG_INT("y_zero", y.zero));
  ig_attr_put(attrs, &n, IG_INT("to", ig_dtype_to_onnx(y.dtype)));
  ig_node *made = ig_graph_node(graph, "ingot.QuantizedAveragePool", node->name, IG_INS(x.codes), n,
                                attrs, 1);
  ig_value *result = made ? made->outputs[0] : NULL;
  if (result && !ig_shape_equal(&result->shape, &node->outputs[0]->shape)) { /* dimensions not kept */
    const ig_shape *to = &node->outputs[0]->shape;
    result = ig_op1(graph, "Reshape", NULL,
                    IG_INS(result, ig_graph_const_i64s(graph, to->rank, to->dims)), IG_NO_ATTRS);
  }
  IG_TRY(ig_graph_status(graph));
  (*changes)++;
  IG_TRY(ig_value_replace(graph, encode ? encode->outputs[0] : node->outputs[0], result));
  if (encode) ig_node_remove(graph, encode);
  ig_node_remove(graph, node);
  return IG_OK;
}

/* --- tables ----------------------------------------------------------------------------------- */

#define MOST_TREE 16

/* A tree of nodes in an order in which they can be made again, and the one tensor that they read. */
typedef struct tree {
  ig_node *nodes[MOST_TREE];
  ig_value *made[MOST_TREE];
  int n;
  bool backwards; /* look at a node's last operand first */
  ig_coded x;     /* the first tensor of codes that is met */
  bool found;
} tree;

static int place_of(const tree *t, const ig_node *node) {
  for (int i = 0; i < t->n; i++) {
    if (t->nodes[i] == node) return i;
  }
  return -1;
}

/* A quantization and its end are functions of one number like others. */
static bool is_function(const ig_node *node) {
  ig_coded codes;
  if (ig_coded_read(node, &codes)) return true;
  return node->op->flags & IG_OP_ELEMENTWISE && node->op->flags & IG_OP_PURE &&
         node->n_outputs == 1 && node->outputs[0]->dtype == IG_F32;
}

/* Whether `value` is a function of one quantized tensor alone; gathers its nodes, operands first. Another
 * tensor of codes will do where it is a function of that one: x sigmoid(x) with a quantization between. */
static bool gather(tree *t, ig_value *value, int depth) {
  ig_coded x;
  if (ig_value_is_const(value)) return ig_value_count(value) == 1;
  bool coded = ig_coded_source(value, &x);
  if (coded && !t->found) {
    t->x = x;
    return t->found = true;
  }
  if (coded && t->x.codes == x.codes && ig_coded_alike(&t->x, &x)) return true;
  ig_node *node = value->kind == IG_VALUE_RESULT ? value->producer : NULL;
  if (!node || depth == 0 || !is_function(node)) return false;
  if (place_of(t, node) >= 0) return true;
  for (int i = 0; i < node->n_inputs; i++) {
    ig_value *in = node->inputs[t->backwards ? node->n_inputs - 1 - i : i];
    if (in && !gather(t, in, depth - 1)) return false;
  }
  if (t->n == MOST_TREE) return false;
  t->nodes[t->n++] = node;
  return true;
}

static ig_value *scalar_of(ig_graph *graph, ig_value *value) {
  return ig_graph_const(graph, NULL, value->dtype, IG_SCALAR, value->data);
}

/* The tree over every code. */
static ig_value *table_of(ig_graph *graph, tree *t, const ig_coded *y) {
  uint8_t all[256];
  ig_attr attrs[IG_MOST_ATTRS];
  for (int i = 0; i < 256; i++) all[i] = (uint8_t)i;
  ig_value *codes = ig_graph_const(graph, NULL, t->x.dtype, IG_SHAPE(256), all);
  ig_value *last = ig_coded_decode(graph, codes, &t->x), *decoded = last;
  for (int i = 0; i < t->n; i++) {
    ig_node *node = t->nodes[i];
    ig_value *in[MOST_TREE];
    if (node->n_inputs > MOST_TREE) return NULL;
    for (int j = 0; j < node->n_inputs; j++) {
      ig_value *v = node->inputs[j];
      int made = v && v->kind == IG_VALUE_RESULT ? place_of(t, v->producer) : -1;
      in[j] = !v ? NULL : ig_value_is_const(v) ? scalar_of(graph, v) : decoded;
      if (made >= 0) in[j] = t->made[made];
    }
    int n_attrs = ig_attr_list(node, attrs);
    last = t->made[i] =
        ig_op1(graph, node->op->name, NULL, node->n_inputs, in, n_attrs, attrs);
  }
  return ig_coded_encode(graph, last, y);
}

static ig_status lower_tree(ig_graph *graph, ig_node *node, int *changes) {
  ig_coded y;
  tree t = {0};
  if (!ig_node_is(node, "QuantizeLinear") || !ig_coded_read(node, &y)) return IG_OK;
  bool whole = gather(&t, node->inputs[0], MOST_TREE);
  if (!whole) {
    t = (tree){.backwards = true};
    whole = gather(&t, node->inputs[0], MOST_TREE);
  }
  if (!whole || !t.found) return IG_OK;
  if (!ig_shape_equal(&node->inputs[0]->shape, &t.x.codes->shape)) return IG_OK;
  if (ig_value_count(node->inputs[0]) == 1 || ig_value_is_const(t.x.codes)) return IG_OK;
  ig_value *table = table_of(graph, &t, &y);
  ig_value *found = ig_op1(graph, "ingot.Lookup", node->name, IG_INS(t.x.codes, table), IG_NO_ATTRS);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, node->outputs[0], found));
  ig_node_remove(graph, node);
  (*changes)++;
  return IG_OK;
}

/* --- pieces side by side ---------------------------------------------------------------------- */

#define MOST_PIECES 32

/* Every piece gets the result's scale; lower_tree makes tables of those that have another. */
static ig_status lower_concat(ig_graph *graph, ig_node *node, int *changes) {
  ig_coded y, x;
  ig_value *in[MOST_PIECES];
  if (!ig_node_is(node, "Concat") || node->n_inputs > MOST_PIECES) return IG_OK;
  ig_node *encode = ig_coded_sink(graph, node->outputs[0], &y);
  for (int i = 0; i < node->n_inputs && encode; i++) {
    if (!ig_coded_source(node->inputs[i], &x)) return IG_OK;
  }
  if (!encode) return IG_OK;
  for (int i = 0; i < node->n_inputs; i++) {
    ig_coded_source(node->inputs[i], &x);
    in[i] = ig_coded_alike(&x, &y) ? x.codes : ig_coded_encode(graph, node->inputs[i], &y);
  }
  ig_value *made = ig_op1(graph, "Concat", node->name, node->n_inputs, in,
                          IG_ATTRS(IG_INT("axis", ig_attr_int_of(node, "axis", 0))));
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_value_replace(graph, encode->outputs[0], made));
  ig_node_remove(graph, encode);
  ig_node_remove(graph, node);
  (*changes)++;
  return IG_OK;
}

static ig_status lower_int8_between_run(ig_graph *graph, const ig_pass_options *options,
                                        int *changes) {
  if (!ig_int8_pays(options)) return IG_OK;
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node)) IG_TRY(lower_add(graph, node, changes));
    if (ig_node_is_live(node)) IG_TRY(lower_pool(graph, node, changes));
    if (ig_node_is_live(node)) IG_TRY(lower_concat(graph, node, changes));
  }
  /* From the outputs on, so that a tree is not cut by a table within it; the trees of tables, which are
   * appended, are left alone. */
  for (int32_t i = graph->n_nodes - 1; i >= 0; i--) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node)) IG_TRY(lower_tree(graph, node, changes));
  }
  return IG_OK;
}

const ig_pass ig_pass_lower_int8_between = {
    .name = "lower_int8_between",
    .what = "sums, means and functions between quantized products on 8-bit codes (inference)",
    .run = lower_int8_between_run,
};
