/* Normalisation of rows in pieces, as exporters write it, becomes one operator: with v = x,
 * w v / sqrt(mean(v^2) + epsilon) becomes RMSNormalization (Zhang and Sennrich 2019, equation 4); with
 * v = x - mean(x), and a bias added or not, LayerNormalization (Ba et al. 2016). Means are over the last
 * dimension, w and the bias have one number for each of its elements. Before autodiff. */
#include "engine/passes/rewrite.h"

typedef struct pattern {
  ig_node *last;
  ig_value *x, *scale, *bias;
  bool layer; /* with the mean taken off */
  float epsilon;
} pattern;

/* What the node reduces by its mean over the last dimension, keeping it as 1; or NULL. */
static ig_value *mean_of(const ig_node *node) {
  int64_t axes[IG_MAX_RANK];
  int n = 0;
  if (!ig_node_is(node, "ReduceMean") || ig_attr_int_of(node, "keepdims", 1) != 1) return NULL;
  const ig_value *list = node->n_inputs > 1 ? node->inputs[1] : NULL;
  int rank = node->inputs[0]->shape.rank;
  if (!ig_value_is_const(list) || list->dtype != IG_I64 || ig_value_count(list) != 1) return NULL;
  if (ig_value_const_ints(list, "axes", IG_MAX_RANK, axes, &n) != IG_OK) return NULL;
  return axes[0] == -1 || axes[0] == rank - 1 ? node->inputs[0] : NULL;
}

/* v of v^2. */
static ig_value *squared(const ig_graph *graph, ig_value *value) {
  double power;
  ig_node *pow = ig_sole_producer(graph, value, "Pow"), *mul = ig_sole_producer(graph, value, "Mul");
  if (pow) return ig_const_splat(pow->inputs[1], &power) && power == 2 ? pow->inputs[0] : NULL;
  return mul && mul->inputs[0] == mul->inputs[1] ? mul->inputs[0] : NULL;
}

/* v of sqrt(mean(v^2) + epsilon). */
static ig_value *rooted(const ig_graph *graph, const ig_node *root, float *epsilon) {
  ig_node *add = ig_sole_producer(graph, root->inputs[0], "Add");
  for (int i = 0; i < 2 && add; i++) {
    double value;
    ig_node *mean = ig_sole_producer(graph, add->inputs[1 - i], "ReduceMean");
    ig_value *square = mean ? mean_of(mean) : NULL;
    if (!square || !ig_const_splat(add->inputs[i], &value) || value < 0) continue;
    if (!ig_shape_equal(&add->outputs[0]->shape, &mean->outputs[0]->shape)) continue;
    *epsilon = (float)value;
    return squared(graph, square);
  }
  return NULL;
}

/* The node that makes v over the root: by division, or by a product with its reciprocal. */
static ig_node *quotient(const ig_graph *graph, const ig_node *root, const ig_value *v) {
  ig_value *at = root->outputs[0];
  double one;
  ig_node *user = ig_sole_user(graph, at);
  if (!user) return NULL;
  if (ig_node_is(user, "Div") && user->inputs[0] == v && user->inputs[1] == at) return user;
  bool inverse = ig_node_is(user, "Reciprocal") ||
                 (ig_node_is(user, "Div") && user->inputs[1] == at &&
                  ig_const_splat(user->inputs[0], &one) && one == 1 &&
                  ig_shape_equal(&user->outputs[0]->shape, &at->shape));
  if (!inverse) return NULL;
  at = user->outputs[0];
  user = ig_sole_user(graph, at);
  if (!user || !ig_node_is(user, "Mul")) return NULL;
  return user->inputs[user->inputs[0] == at] == v ? user : NULL;
}

/* The other operand of the node's only reader when that is an `op` with one number for each column. */
static ig_value *row_beside(const ig_graph *graph, const ig_value *value, const char *op) {
  ig_node *user = ig_sole_user(graph, value);
  if (!user || !ig_node_is(user, op)) return NULL;
  ig_value *row = user->inputs[user->inputs[0] == value];
  bool fits = row->shape.rank == 1 && row->dtype == value->dtype &&
              row->shape.dims[0] == value->shape.dims[value->shape.rank - 1];
  return fits ? row : NULL;
}

/* x of v = x - mean(x), or NULL. */
static ig_value *centred(const ig_value *v) {
  const ig_node *sub = v->producer;
  if (!ig_node_is(sub, "Sub") || !sub->inputs[1]->producer) return NULL;
  return mean_of(sub->inputs[1]->producer) == sub->inputs[0] ? sub->inputs[0] : NULL;
}

static bool read_pattern(const ig_graph *graph, const ig_node *root, pattern *out) {
  *out = (pattern){0};
  ig_value *v = rooted(graph, root, &out->epsilon);
  ig_node *normal = v && v->shape.rank > 0 ? quotient(graph, root, v) : NULL;
  if (!normal) return false;
  out->scale = row_beside(graph, normal->outputs[0], "Mul");
  if (!out->scale) return false;
  out->last = ig_sole_user(graph, normal->outputs[0]);
  out->x = centred(v);
  out->layer = out->x != NULL;
  if (!out->layer) {
    out->x = v;
    return true;
  }
  out->bias = row_beside(graph, out->last->outputs[0], "Add");
  if (out->bias) out->last = ig_sole_user(graph, out->last->outputs[0]);
  return true;
}

static ig_status recognise_norm_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  IG_UNUSED(options);
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    pattern p;
    if (!ig_node_is_live(node) || !ig_node_is(node, "Sqrt") || !read_pattern(graph, node, &p)) continue;
    ig_value *in[] = {p.x, p.scale, p.bias};
    ig_node *made = ig_graph_node(graph, p.layer ? "LayerNormalization" : "RMSNormalization", p.last->name,
                                  p.bias ? 3 : 2, in, IG_ATTRS(IG_FLOAT("epsilon", p.epsilon)), 1);
    IG_TRY(ig_graph_status(graph));
    IG_TRY(ig_node_replace(graph, p.last, made, 1));
    (*changes)++;
  }
  return IG_OK;
}

const ig_pass ig_pass_recognise_norm = {
    .name = "recognise_norm",
    .what = "layer and root-mean-square normalisation in pieces as one operator",
    .run = recognise_norm_run,
};
