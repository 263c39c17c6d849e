/* TreeEnsembleRegressor and TreeEnsembleClassifier of ai.onnx.ml as TreeEnsemble, whose leaves have one weight for
 * one target: a tree with several votes in a leaf becomes one tree for each target that it votes for. Base values
 * and transforms follow as operators of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/onnx_import_parts.h"

#define MOST_NODES ((int64_t)1 << 24) /* of all trees that are made */

enum { LEAF = -1 };

typedef struct vote {
  int64_t tree, node, target;
  double weight;
} vote;

/* What the old form says; nodes in order of (tree, id) afterwards. */
typedef struct node {
  int64_t tree, id, feature, yes, no, missing;
  int mode; /* of TreeEnsemble, or LEAF */
  double split;
  int64_t first_vote, n_votes;
} node;

/* The new form, growing. */
typedef struct forest {
  int64_t n_nodes, n_leaves, n_roots, node_room, leaf_room, root_room;
  int64_t *features, *yes, *no, *yes_leaf, *no_leaf, *missing, *targets, *roots;
  double *splits, *weights;
  uint8_t *modes;
} forest;

typedef struct trees {
  ig_onnx_call *call;
  int64_t n, n_votes;
  node *nodes;
  vote *votes;
  int64_t *index; /* while a tree is written: of its nodes, the place in the forest */
  forest f;
} trees;

/* --- the old form ------------------------------------------------------------------------------ */

/* A list of floats, or the tensor of the same name with "_as_tensor": `n` numbers, or none. */
static ig_status numbers_of(const ig_onnx_call *call, const char *name, int64_t *n, double **out, bool *wide) {
  char long_name[64];
  ig_floats list;
  snprintf(long_name, sizeof long_name, "%s_as_tensor", name);
  const ig_attr *tensor = ig_onnx_call_attr(call, long_name);
  const ig_literal *t = tensor && tensor->type == IG_ATTR_TENSOR ? tensor->tensor : NULL;
  IG_TRY(ig_onnx_floats_of(call, name, &list));
  IG_CHECK(!t || ig_dtype_is_float(t->dtype), IG_ERR_INPUT, "attribute '%s' must be floats", long_name);
  *n = t ? ig_shape_count(&t->shape) : list.n;
  *wide = *wide || (t && t->dtype == IG_F64);
  *out = ig_alloc_zero((size_t)*n + 1, sizeof **out);
  IG_CHECK_ALLOC(*out);
  for (int64_t i = 0; i < *n; i++) (*out)[i] = t ? ig_load_f64(t->dtype, t->data, i) : (double)list.v[i];
  return IG_OK;
}

static ig_status mode_of(const char *text, int *out) {
  static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};
  *out = LEAF;
  if (strcmp(text, "LEAF") == 0) return IG_OK;
  for (int i = 0; i < IG_COUNT(modes); i++) {
    if (strcmp(text, modes[i]) == 0) {
      *out = i;
      return IG_OK;
    }
  }
  return ig_fail(IG_ERR_INPUT, "nodes_modes holds '%.32s'", text);
}

static int by_place(const void *a_, const void *b_) {
  const node *a = a_, *b = b_;
  if (a->tree != b->tree) return a->tree < b->tree ? -1 : 1;
  return a->id < b->id ? -1 : a->id > b->id;
}

static int by_node(const void *a_, const void *b_) {
  const vote *a = a_, *b = b_;
  if (a->tree != b->tree) return a->tree < b->tree ? -1 : 1;
  return a->node < b->node ? -1 : a->node > b->node;
}

static node *find_node(const trees *t, int64_t tree, int64_t id) {
  const node key = {.tree = tree, .id = id};
  return bsearch(&key, t->nodes, (size_t)t->n, sizeof key, by_place);
}

static ig_status read_nodes(trees *t, bool *wide) {
  static const char *const names[] = {"nodes_treeids",     "nodes_nodeids",      "nodes_featureids",
                                      "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true"};
  ig_ints lists[6];
  double *splits = NULL;
  int64_t n = 0;
  const ig_attr *modes = ig_onnx_call_attr(t->call, "nodes_modes");
  IG_CHECK(modes && modes->type == IG_ATTR_STRINGS && modes->strings.n > 0, IG_ERR_INPUT,
           "nodes_modes is not given");
  t->n = modes->strings.n;
  for (int i = 0; i < 6; i++) {
    IG_TRY(ig_onnx_ints_of(t->call, names[i], &lists[i]));
    IG_CHECK(lists[i].n == t->n || (i == 5 && lists[i].n == 0), IG_ERR_INPUT, "%s: expected %lld numbers, found %d",
             names[i], (long long)t->n, lists[i].n);
  }
  t->nodes = ig_alloc_zero((size_t)t->n, sizeof *t->nodes);
  IG_CHECK_ALLOC(t->nodes);
  ig_status status = numbers_of(t->call, "nodes_values", &n, &splits, wide);
  if (status == IG_OK && n != t->n)
    status = ig_fail(IG_ERR_INPUT, "nodes_values: expected %lld numbers, found %lld", (long long)t->n, (long long)n);
  for (int64_t i = 0; i < t->n && status == IG_OK; i++) {
    node *at = &t->nodes[i];
    *at = (node){.tree = lists[0].v[i], .id = lists[1].v[i], .feature = lists[2].v[i], .yes = lists[3].v[i],
                 .no = lists[4].v[i], .missing = lists[5].n ? lists[5].v[i] : 0, .split = splits[i]};
    status = mode_of(modes->strings.v[i], &at->mode);
  }
  ig_free(splits);
  IG_TRY(status);
  qsort(t->nodes, (size_t)t->n, sizeof *t->nodes, by_place);
  for (int64_t i = 1; i < t->n; i++) {
    IG_CHECK(by_place(&t->nodes[i - 1], &t->nodes[i]) < 0, IG_ERR_INPUT, "tree %lld has two nodes %lld",
             (long long)t->nodes[i].tree, (long long)t->nodes[i].id);
  }
  return IG_OK;
}

/* `what` is "target" or "class". */
static ig_status read_votes(trees *t, const char *what, int64_t targets, bool *wide) {
  char name[32];
  ig_ints lists[3];
  double *weights = NULL;
  static const char *const parts[] = {"treeids", "nodeids", "ids"};
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "%s_%s", what, parts[i]);
    IG_TRY(ig_onnx_ints_of(t->call, name, &lists[i]));
  }
  snprintf(name, sizeof name, "%s_weights", what);
  ig_status status = numbers_of(t->call, name, &t->n_votes, &weights, wide);
  bool fit = status == IG_OK && lists[0].n == t->n_votes && lists[1].n == t->n_votes && lists[2].n == t->n_votes;
  if (status == IG_OK && !fit) status = ig_fail(IG_ERR_INPUT, "the lists of %s_weights have other lengths", what);
  if (status == IG_OK) t->votes = ig_alloc_zero((size_t)t->n_votes + 1, sizeof *t->votes);
  if (status == IG_OK && !t->votes) status = ig_fail(IG_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < t->n_votes && status == IG_OK; i++) {
    t->votes[i] = (vote){lists[0].v[i], lists[1].v[i], lists[2].v[i], weights[i]};
    if (lists[2].v[i] < 0 || lists[2].v[i] >= targets)
      status = ig_fail(IG_ERR_INPUT, "%s_ids holds %lld of %lld", what, (long long)lists[2].v[i], (long long)targets);
  }
  ig_free(weights);
  IG_TRY(status);
  qsort(t->votes, (size_t)t->n_votes, sizeof *t->votes, by_node);
  for (int64_t i = 0; i < t->n_votes; i++) {
    node *at = find_node(t, t->votes[i].tree, t->votes[i].node);
    IG_CHECK(at && at->mode == LEAF, IG_ERR_INPUT, "%s_nodeids: tree %lld has no leaf %lld", what,
             (long long)t->votes[i].tree, (long long)t->votes[i].node);
    if (at->n_votes++ == 0) at->first_vote = i;
  }
  return IG_OK;
}

/* --- the new form ------------------------------------------------------------------------------ */

static bool grow(void *list, int64_t *room, int64_t count, size_t size) {
  int64_t had = *room;
  return ig_grow(list, &had, count, size);
}

static ig_status make_room(forest *f, int64_t nodes, int64_t leaves) {
  IG_CHECK(f->n_nodes + nodes <= MOST_NODES && f->n_leaves + leaves <= MOST_NODES, IG_ERR_UNSUPPORTED,
           "more than %lld nodes of trees, by target", (long long)MOST_NODES);
  int64_t n = f->n_nodes + nodes, l = f->n_leaves + leaves, r = f->n_roots + 1;
  bool ok = grow(&f->features, &f->node_room, n, 8) && grow(&f->yes, &f->node_room, n, 8) &&
            grow(&f->no, &f->node_room, n, 8) && grow(&f->yes_leaf, &f->node_room, n, 8) &&
            grow(&f->no_leaf, &f->node_room, n, 8) && grow(&f->missing, &f->node_room, n, 8) &&
            grow(&f->splits, &f->node_room, n, 8) && ig_grow((void **)&f->modes, &f->node_room, n, 1) &&
            grow(&f->targets, &f->leaf_room, l, 8) && ig_grow((void **)&f->weights, &f->leaf_room, l, 8) &&
            ig_grow((void **)&f->roots, &f->root_room, r, 8);
  IG_CHECK(ok, IG_ERR_MEMORY, "out of memory");
  return IG_OK;
}

/* Where a child stands in the forest. */
static ig_status place_of(const trees *t, const node *from, int64_t id, int64_t *at, int64_t *is_leaf) {
  const node *child = find_node(t, from->tree, id);
  IG_CHECK(child, IG_ERR_INPUT, "node %lld of tree %lld has the child %lld, which there is not",
           (long long)from->id, (long long)from->tree, (long long)id);
  *at = t->index[child - t->nodes];
  *is_leaf = child->mode == LEAF;
  return IG_OK;
}

/* The leaf's vote for the target; for any (`target` -1), its only one. */
static void put_leaf(const trees *t, forest *f, const node *at, int64_t target) {
  double weight = 0;
  int64_t of = target < 0 ? 0 : target;
  for (int64_t v = at->first_vote; v < at->first_vote + at->n_votes; v++) {
    if (target >= 0 && t->votes[v].target != target) continue;
    weight += t->votes[v].weight;
    of = t->votes[v].target;
  }
  f->targets[f->n_leaves] = of;
  f->weights[f->n_leaves++] = weight;
}

/* Nodes [first, last) are one tree, whose root is its node of the smallest id. A lone leaf becomes a node both of
 * whose children it is. */
static ig_status put_tree(trees *t, int64_t first, int64_t last, int64_t target) {
  forest *f = &t->f;
  IG_TRY(make_room(f, last - first, last - first));
  int64_t next = f->n_nodes;
  for (int64_t i = first; i < last; i++) {
    t->index[i] = t->nodes[i].mode == LEAF ? f->n_leaves : next++;
    if (t->nodes[i].mode == LEAF) put_leaf(t, f, &t->nodes[i], target);
  }
  f->roots[f->n_roots++] = f->n_nodes;
  if (t->nodes[first].mode == LEAF) {
    int64_t at = f->n_nodes++;
    f->features[at] = f->missing[at] = 0;
    f->modes[at] = 0;
    f->splits[at] = 0;
    f->yes[at] = f->no[at] = t->index[first];
    f->yes_leaf[at] = f->no_leaf[at] = 1;
    return IG_OK;
  }
  for (int64_t i = first; i < last; i++) {
    const node *from = &t->nodes[i];
    int64_t at = f->n_nodes;
    if (from->mode == LEAF) continue;
    f->features[at] = from->feature;
    f->missing[at] = from->missing;
    f->modes[at] = (uint8_t)from->mode;
    f->splits[at] = from->split;
    IG_TRY(place_of(t, from, from->yes, &f->yes[at], &f->yes_leaf[at]));
    IG_TRY(place_of(t, from, from->no, &f->no[at], &f->no_leaf[at]));
    f->n_nodes++;
  }
  return IG_OK;
}

/* A tree whose leaves have a vote at most is one tree; others are one a target. `exact` forbids the latter, whose
 * leaves without a vote count as 0. */
static ig_status put_trees(trees *t, int64_t targets, bool exact, int64_t *count) {
  bool *wanted = ig_alloc_zero((size_t)targets, sizeof *wanted);
  ig_status status = wanted ? IG_OK : ig_fail(IG_ERR_MEMORY, "out of memory");
  for (int64_t first = 0, last; first < t->n && status == IG_OK; first = last, ++*count) {
    bool several = false, silent = false;
    memset(wanted, 0, (size_t)targets * sizeof *wanted);
    for (last = first; last < t->n && t->nodes[last].tree == t->nodes[first].tree; last++) {
      const node *at = &t->nodes[last];
      several = several || at->n_votes > 1;
      silent = silent || (at->mode == LEAF && at->n_votes == 0);
      for (int64_t v = 0; v < at->n_votes; v++) wanted[t->votes[at->first_vote + v].target] = true;
    }
    if (exact && (several || silent))
      status = ig_fail(IG_ERR_UNSUPPORTED, "MIN or MAX over leaves of several votes, or of none");
    if (status == IG_OK && !several) status = put_tree(t, first, last, -1);
    for (int64_t k = 0; k < targets && several && status == IG_OK; k++) {
      if (wanted[k]) status = put_tree(t, first, last, k);
    }
  }
  ig_free(wanted);
  return status;
}

static ig_literal floats(ig_dtype dtype, int64_t n, const double *from, void *to) {
  for (int64_t i = 0; i < n; i++) ig_store_f64(dtype, to, i, from[i]);
  return (ig_literal){dtype, IG_SHAPE(n), to};
}

/* [N, targets] in the trees' type. */
static ig_status make_ensemble(trees *t, int64_t targets, int64_t aggregate, bool wide, ig_value **out) {
  const forest *f = &t->f;
  ig_graph *g = t->call->graph;
  ig_dtype dtype = wide ? IG_F64 : IG_F32;
  void *splits = ig_alloc((size_t)f->n_nodes * 8), *weights = ig_alloc((size_t)f->n_leaves * 8 + 8);
  ig_status status = splits && weights ? IG_OK : ig_fail(IG_ERR_MEMORY, "out of memory");
  if (status == IG_OK) {
    ig_literal split = floats(dtype, f->n_nodes, f->splits, splits);
    ig_literal weight = floats(dtype, f->n_leaves, f->weights, weights);
    ig_literal modes = {IG_U8, IG_SHAPE(f->n_nodes), f->modes};
    int n = (int)f->n_nodes;
    const ig_attr attrs[] = {
        IG_INT("aggregate_function", aggregate),
        IG_INT("n_targets", targets),
        IG_INTS("leaf_targetids", (int)f->n_leaves, f->targets),
        IG_INTS("nodes_falseleafs", n, f->no_leaf),
        IG_INTS("nodes_falsenodeids", n, f->no),
        IG_INTS("nodes_featureids", n, f->features),
        IG_INTS("nodes_missing_value_tracks_true", n, f->missing),
        IG_INTS("nodes_trueleafs", n, f->yes_leaf),
        IG_INTS("nodes_truenodeids", n, f->yes),
        IG_INTS("tree_roots", (int)f->n_roots, f->roots),
        {.name = "leaf_weights", .type = IG_ATTR_TENSOR, .tensor = &weight},
        {.name = "nodes_modes", .type = IG_ATTR_TENSOR, .tensor = &modes},
        {.name = "nodes_splits", .type = IG_ATTR_TENSOR, .tensor = &split},
    };
    ig_value *x = ig_op1(g, "Cast", NULL, IG_INS(t->call->in[0]), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(dtype))));
    *out = ig_op1(g, "ai.onnx.ml.TreeEnsemble", NULL, IG_INS(x), IG_COUNT(attrs), attrs);
    status = ig_graph_status(g);
  }
  ig_free(splits);
  ig_free(weights);
  return status;
}

static void release(trees *t) {
  void *lists[] = {t->nodes,  t->votes,      t->index,     t->f.features, t->f.yes,   t->f.no,    t->f.yes_leaf,
                   t->f.no_leaf, t->f.missing, t->f.targets, t->f.roots,    t->f.splits, t->f.weights, t->f.modes};
  for (int i = 0; i < IG_COUNT(lists); i++) ig_free(lists[i]);
}

/* --- both operators ---------------------------------------------------------------------------- */

static ig_status aggregate_of(const ig_onnx_call *call, int64_t *out) {
  static const char *const names[] = {"AVERAGE", "SUM", "MIN", "MAX"};
  const char *name = ig_onnx_text_attr(call, "aggregate_function", "SUM");
  for (*out = 0; *out < IG_COUNT(names); ++*out) {
    if (strcmp(names[*out], name) == 0) return IG_OK;
  }
  return ig_fail(IG_ERR_INPUT, "attribute 'aggregate_function': expected AVERAGE, SUM, MIN or MAX, found '%.32s'", name);
}

/* [N, targets] in f32, without base values. *votes counts the targets that some leaf votes for. */
static ig_status ensemble(ig_onnx_call *call, const char *what, int64_t targets, ig_value **out, int64_t *votes) {
  enum { AVERAGE, SUM };
  ig_graph *g = call->graph;
  trees t = {.call = call};
  int64_t aggregate = SUM, count = 0;
  bool wide = call->n_in > 0 && call->in[0] && call->in[0]->dtype == IG_F64;
  IG_CHECK(call->n_in == 1 && call->in[0], IG_ERR_INPUT, "one input is expected");
  IG_CHECK(targets >= 1 && targets <= INT32_MAX, IG_ERR_INPUT, "%lld targets", (long long)targets);
  IG_TRY(aggregate_of(call, &aggregate));
  ig_status status = read_nodes(&t, &wide);
  if (status == IG_OK) status = read_votes(&t, what, targets, &wide);
  if (status == IG_OK) t.index = ig_alloc_zero((size_t)t.n, sizeof *t.index);
  if (status == IG_OK && !t.index) status = ig_fail(IG_ERR_MEMORY, "out of memory");
  if (status == IG_OK) status = put_trees(&t, targets, aggregate > SUM, &count);
  if (status == IG_OK) status = make_ensemble(&t, targets, aggregate == AVERAGE ? SUM : aggregate, wide, out);
  *votes = 0;
  for (int64_t i = 1; i < t.n_votes; i++) *votes |= t.votes[i].target != t.votes[0].target;
  release(&t);
  IG_TRY(status);
  *out = ig_op1(g, "Cast", NULL, IG_INS(*out), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
  if (aggregate == AVERAGE) {
    ig_value *trees_made = ig_graph_const_f32(g, (float)count);
    *out = ig_op1(g, "Div", NULL, IG_INS(*out, trees_made), IG_NO_ATTRS);
  }
  return ig_graph_status(g);
}

/* One number for all targets, or one a target. */
static ig_status add_base(ig_onnx_call *call, int64_t targets, ig_value **y) {
  double *base = NULL;
  int64_t n = 0;
  bool wide = false;
  ig_status status = numbers_of(call, "base_values", &n, &base, &wide);
  if (status == IG_OK && n > 1 && n != targets)
    status = ig_fail(IG_ERR_INPUT, "%lld base_values for %lld targets", (long long)n, (long long)targets);
  if (status == IG_OK && n > 0) {
    float *narrow = ig_alloc((size_t)n * sizeof *narrow);
    if (narrow) {
      for (int64_t i = 0; i < n; i++) narrow[i] = (float)base[i];
      ig_value *b = ig_graph_const(call->graph, NULL, IG_F32, IG_SHAPE(n), narrow);
      *y = ig_op1(call->graph, "Add", NULL, IG_INS(*y, b), IG_NO_ATTRS);
    } else {
      status = ig_fail(IG_ERR_MEMORY, "out of memory");
    }
    ig_free(narrow);
  }
  ig_free(base);
  return status;
}

ig_status ig_onnx_tree_regressor(ig_onnx_call *call) {
  ig_value *y = NULL;
  const ig_attr *n = ig_onnx_call_attr(call, "n_targets");
  int64_t targets = n && n->type == IG_ATTR_INT ? n->i : 1, several = 0;
  IG_TRY(ensemble(call, "target", targets, &y, &several));
  IG_TRY(add_base(call, targets, &y));
  IG_TRY(ig_onnx_transform(call, y, &y));
  ig_onnx_result(call, 0, y);
  call->done = true;
  return ig_graph_status(call->graph);
}

static bool all_positive(const ig_onnx_call *call) {
  const ig_attr *a = ig_onnx_call_attr(call, "class_weights");
  const ig_attr *t = ig_onnx_call_attr(call, "class_weights_as_tensor");
  for (int i = 0; a && a->type == IG_ATTR_FLOATS && i < a->floats.n; i++) {
    if (a->floats.v[i] < 0) return false;
  }
  for (int64_t i = 0; t && t->type == IG_ATTR_TENSOR && i < ig_shape_count(&t->tensor->shape); i++) {
    if (ig_load_f64(t->tensor->dtype, t->tensor->data, i) < 0) return false;
  }
  return true;
}

/* Leaves that vote for one of two classes give the second one's score: a probability where no weight is negative,
 * compared with a half, and otherwise a margin, compared with 0. */
static ig_status two_classes(ig_onnx_call *call, const ig_onnx_labels *labels, ig_value *s, ig_value **scores) {
  ig_graph *g = call->graph;
  bool probability = all_positive(call);
  ig_value *limit = ig_graph_const_f32(g, probability ? 0.5F : 0);
  ig_value *above = ig_op1(g, "Greater", NULL, IG_INS(s, limit), IG_NO_ATTRS);
  const int64_t axis = 1;
  ig_value *second = ig_op1(g, "Squeeze", NULL, IG_INS(above, ig_graph_const_i64s(g, 1, &axis)), IG_NO_ATTRS);
  second = ig_op1(g, "Cast", NULL, IG_INS(second), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_I64))));
  call->out[0] = ig_onnx_label(call, labels, second);
  return ig_onnx_two_scores(call, s, probability, scores);
}

ig_status ig_onnx_tree_classifier(ig_onnx_call *call) {
  ig_onnx_labels labels;
  ig_graph *g = call->graph;
  ig_value *y = NULL, *scores = NULL;
  int64_t several = 0;
  IG_TRY(ig_onnx_labels_of(call, "classlabels_int64s", &labels));
  IG_CHECK(labels.n >= 2, IG_ERR_UNSUPPORTED, "a classifier of one class");
  IG_TRY(ensemble(call, "class", labels.n, &y, &several));
  if (labels.n == 2 && !several) {
    const int64_t one[] = {1};
    ig_value *axes = ig_graph_const_i64s(g, 1, one); /* the class that no leaf votes for adds 0 */
    y = ig_op1(g, "ReduceSum", NULL, IG_INS(y, axes), IG_ATTRS(IG_INT("keepdims", 1)));
    IG_TRY(add_base(call, 1, &y));
    IG_TRY(two_classes(call, &labels, y, &scores));
  } else {
    IG_TRY(add_base(call, labels.n, &y));
    ig_value *most = ig_op1(g, "ArgMax", NULL, IG_INS(y), IG_ATTRS(IG_INT("axis", 1), IG_INT("keepdims", 0)));
    call->out[0] = ig_onnx_label(call, &labels, most);
    IG_TRY(ig_onnx_transform(call, y, &scores));
  }
  ig_onnx_result(call, 1, scores);
  call->done = true;
  return ig_graph_status(g);
}
