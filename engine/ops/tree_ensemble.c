/* ai.onnx.ml.TreeEnsemble: for each row of [N, features], the leaves that it reaches in all trees, gathered by
 * target. Trees are lists of nodes in attributes; which child of a node comes next is decided by a
 * comparison of one feature with a threshold, or by its membership in a set. */
#include <inttypes.h>
#include <math.h>

#include "engine/ops/op.h"

enum { LEQ, LT, GTE, GT, EQ, NEQ, MEMBER };
enum { AVERAGE, SUM, MIN, MAX };
enum { NO_TRANSFORM, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT };

typedef struct tree_attrs {
  int64_t aggregate_function, n_targets, post_transform;
  ig_ints leaf_targetids, nodes_falseleafs, nodes_falsenodeids, nodes_featureids,
      nodes_missing_value_tracks_true, nodes_trueleafs, nodes_truenodeids, tree_roots;
  const ig_literal *leaf_weights, *membership_values, *nodes_hitrates, *nodes_modes, *nodes_splits;
} tree_attrs;

#define NEEDED_INTS(member)                                                                        \
  {.name = #member, .type = IG_ATTR_INTS, .offset = offsetof(tree_attrs, member), .required = true}
#define TENSOR(member, needed)                                                                     \
  {.name = #member,                                                                                \
   .type = IG_ATTR_TENSOR,                                                                         \
   .offset = offsetof(tree_attrs, member),                                                         \
   .required = (needed)}

static const ig_attr_field attrs[] = {
    IG_FIELD_INT(tree_attrs, aggregate_function, SUM),
    NEEDED_INTS(leaf_targetids),
    TENSOR(leaf_weights, true),
    TENSOR(membership_values, false),
    IG_FIELD_INT(tree_attrs, n_targets, 1),
    NEEDED_INTS(nodes_falseleafs),
    NEEDED_INTS(nodes_falsenodeids),
    NEEDED_INTS(nodes_featureids),
    TENSOR(nodes_hitrates, false),
    IG_FIELD_INTS(tree_attrs, nodes_missing_value_tracks_true),
    TENSOR(nodes_modes, true),
    TENSOR(nodes_splits, true),
    NEEDED_INTS(nodes_trueleafs),
    NEEDED_INTS(nodes_truenodeids),
    IG_FIELD_INT(tree_attrs, post_transform, NO_TRANSFORM),
    NEEDED_INTS(tree_roots),
    {0},
};

static int64_t count_of(const ig_literal *literal) {
  return literal ? ig_shape_count(&literal->shape) : 0;
}

/* A child is a leaf, or a node that comes later in no particular order: runs are cut at as many steps as
 * there are nodes. */
static ig_status check_child(const tree_attrs *a, int64_t leaf, int64_t id) {
  int64_t most = leaf ? a->leaf_targetids.n : a->nodes_featureids.n;
  IG_CHECK(id >= 0 && id < most, IG_ERR_INPUT, "child %" PRId64 " of %" PRId64 " %s", id, most,
           leaf ? "leaves" : "nodes");
  return IG_OK;
}

static ig_status check_nodes(const tree_attrs *a, int64_t features) {
  int n = a->nodes_featureids.n;
  IG_CHECK(a->nodes_falseleafs.n == n && a->nodes_falsenodeids.n == n && a->nodes_trueleafs.n == n &&
               a->nodes_truenodeids.n == n && count_of(a->nodes_modes) == n &&
               count_of(a->nodes_splits) == n &&
               (a->nodes_missing_value_tracks_true.n == 0 || a->nodes_missing_value_tracks_true.n == n),
           IG_ERR_INPUT, "the lists of %d nodes have other lengths", n);
  for (int i = 0; i < n; i++) {
    double mode = ig_load_f64(a->nodes_modes->dtype, a->nodes_modes->data, i);
    IG_CHECK(mode >= LEQ && mode <= MEMBER, IG_ERR_INPUT, "node %d has mode %g", i, mode);
    IG_CHECK(a->nodes_featureids.v[i] >= 0 && a->nodes_featureids.v[i] < features, IG_ERR_INPUT,
             "node %d asks for feature %" PRId64 " of %" PRId64, i, a->nodes_featureids.v[i], features);
    IG_TRY(check_child(a, a->nodes_trueleafs.v[i], a->nodes_truenodeids.v[i]));
    IG_TRY(check_child(a, a->nodes_falseleafs.v[i], a->nodes_falsenodeids.v[i]));
  }
  for (int i = 0; i < a->tree_roots.n; i++) IG_TRY(check_child(a, 0, a->tree_roots.v[i]));
  return IG_OK;
}

static ig_status infer(ig_node *node) {
  const tree_attrs *a = IG_ATTRS_OF(tree_attrs, node);
  const ig_value *x = node->inputs[0];
  IG_TRY(ig_require_float(node, 0));
  IG_CHECK(x->shape.rank == 2, IG_ERR_SHAPE, "expected an input [N, features], found %s",
           IG_SHAPE_STR(&x->shape));
  IG_CHECK(a->n_targets >= 1 && a->n_targets <= INT32_MAX && a->aggregate_function >= AVERAGE &&
               a->aggregate_function <= MAX && a->post_transform >= NO_TRANSFORM &&
               a->post_transform <= PROBIT,
           IG_ERR_USAGE, "n_targets, aggregate_function or post_transform is out of range");
  IG_CHECK(count_of(a->leaf_weights) == a->leaf_targetids.n, IG_ERR_INPUT,
           "%d targets for %" PRId64 " leaves", a->leaf_targetids.n, count_of(a->leaf_weights));
  for (int i = 0; i < a->leaf_targetids.n; i++) {
    IG_CHECK(a->leaf_targetids.v[i] >= 0 && a->leaf_targetids.v[i] < a->n_targets, IG_ERR_INPUT,
             "leaf %d is for target %" PRId64 " of %" PRId64, i, a->leaf_targetids.v[i], a->n_targets);
  }
  IG_TRY(check_nodes(a, x->shape.dims[1]));
  ig_shape y = IG_SHAPE(x->shape.dims[0], a->n_targets);
  return ig_infer_set(node, 0, x->dtype, &y);
}

static double number(const ig_literal *literal, int64_t i) {
  return ig_load_f64(literal->dtype, literal->data, i);
}

/* Sets stand one after the other, in the order of the nodes that ask for one, each ended by NaN. */
static bool is_member(const tree_attrs *a, int64_t node, double value) {
  int64_t at = 0, all = count_of(a->membership_values);
  for (int64_t i = 0; i < node; i++) {
    if (number(a->nodes_modes, i) != MEMBER) continue;
    while (at < all && !isnan(number(a->membership_values, at))) at++;
    at++;
  }
  for (; at < all && !isnan(number(a->membership_values, at)); at++) {
    if (number(a->membership_values, at) == value) return true;
  }
  return false;
}

static bool holds(const tree_attrs *a, int64_t node, double value) {
  double split = number(a->nodes_splits, node);
  if (isnan(value) && a->nodes_missing_value_tracks_true.n &&
      a->nodes_missing_value_tracks_true.v[node]) {
    return true;
  }
  switch ((int)number(a->nodes_modes, node)) {
  case LEQ: return value <= split;
  case LT: return value < split;
  case GTE: return value >= split;
  case GT: return value > split;
  case EQ: return value == split;
  case NEQ: return value != split;
  default: return is_member(a, node, value);
  }
}

/* The leaf that a row reaches. */
static ig_status descend(const tree_attrs *a, int64_t node, ig_dtype dtype, const void *x,
                         int64_t row, int64_t features, int64_t *leaf) {
  for (int step = 0; step < a->nodes_featureids.n; step++) {
    double value = ig_load_f64(dtype, x, row * features + a->nodes_featureids.v[node]);
    bool yes = holds(a, node, value);
    *leaf = yes ? a->nodes_truenodeids.v[node] : a->nodes_falsenodeids.v[node];
    if (yes ? a->nodes_trueleafs.v[node] : a->nodes_falseleafs.v[node]) return IG_OK;
    node = *leaf;
  }
  return ig_fail(IG_ERR_INPUT, "a tree goes in a circle");
}

/* The inverse of the normal distribution function (Winitzki 2008). */
static double probit(double p) {
  double x = 2 * p - 1, l = log(1 - x * x), a = 0.147, b = 2 / (3.14159265358979323846 * a) + l / 2;
  return copysign(sqrt(2) * sqrt(sqrt(b * b - l / a) - b), x);
}

static void transform(const tree_attrs *a, ig_dtype dtype, void *y, int64_t first) {
  bool soft = a->post_transform == SOFTMAX || a->post_transform == SOFTMAX_ZERO;
  double most = -INFINITY, sum = 0;
  for (int64_t t = 0; t < a->n_targets && soft; t++) most = fmax(most, ig_load_f64(dtype, y, first + t));
  for (int64_t t = 0; t < a->n_targets && soft; t++) {
    double v = ig_load_f64(dtype, y, first + t);
    sum += a->post_transform == SOFTMAX_ZERO && v == 0 ? 0 : exp(v - most);
  }
  for (int64_t t = 0; t < a->n_targets; t++) {
    double v = ig_load_f64(dtype, y, first + t);
    if (soft) v = a->post_transform == SOFTMAX_ZERO && v == 0 ? 0 : exp(v - most) / sum;
    if (a->post_transform == LOGISTIC) v = 1 / (1 + exp(-v));
    if (a->post_transform == PROBIT) v = probit(v);
    ig_store_f64(dtype, y, first + t, v);
  }
}

/* One target of a row over all trees; 0 where no leaf is for it. */
static ig_status gather(const ig_call *call, const tree_attrs *a, int64_t row, int64_t target) {
  const ig_value *x = call->node->inputs[0];
  int64_t features = x->shape.dims[1], leaf = 0;
  double value = 0;
  bool any = false;
  for (int i = 0; i < a->tree_roots.n; i++) {
    IG_TRY(descend(a, a->tree_roots.v[i], x->dtype, call->in[0], row, features, &leaf));
    if (a->leaf_targetids.v[leaf] != target) continue;
    double w = number(a->leaf_weights, leaf);
    bool first = !any;
    any = true;
    if (a->aggregate_function == MIN) value = first ? w : fmin(value, w);
    else if (a->aggregate_function == MAX) value = first ? w : fmax(value, w);
    else value += w;
  }
  if (a->aggregate_function == AVERAGE) value /= (double)IG_MAX(a->tree_roots.n, 1);
  ig_store_f64(x->dtype, call->out[0], row * a->n_targets + target, value);
  return IG_OK;
}

static ig_status run(const ig_call *call) {
  const tree_attrs *a = IG_ATTRS_OF(tree_attrs, call->node);
  const ig_value *x = call->node->inputs[0];
  for (int64_t row = 0; row < x->shape.dims[0]; row++) {
    for (int64_t t = 0; t < a->n_targets; t++) IG_TRY(gather(call, a, row, t));
    transform(a, x->dtype, call->out[0], row * a->n_targets);
  }
  return IG_OK;
}

/* A comparison for every tree and level, of which there are about eight. */
static ig_cost cost(const ig_node *node) {
  double trees = (double)IG_ATTRS_OF(tree_attrs, node)->tree_roots.n;
  return (ig_cost){8 * trees * (double)ig_value_count(node->outputs[0]), ig_cost_copy(node).bytes};
}

static const ig_impl impls[] = {{.name = "reference", .run = run}, {0}};

const ig_op ig_op_tree_ensemble = {
    .name = "ai.onnx.ml.TreeEnsemble",
    .since = 5,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_OP_PURE,
    .attrs = attrs,
    .attrs_size = sizeof(tree_attrs),
    .infer = infer,
    .cost = cost,
    .impls = impls,
};
