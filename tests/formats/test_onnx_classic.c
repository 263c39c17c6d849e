/* Linear models, support vector machines and the older forms of trees of ai.onnx.ml, imported and run, against
 * their definitions in f64 written out here. (ONNX Runtime 1.32 gave the same on 150 random models of these
 * operators, once by hand.) */
#include <math.h>

#include "graph_run.h"
#include "onnx_bytes.h"

#include "engine/graph/datum.h"
#include "engine/plan/session.h"
#include "formats/onnx_import.h"

enum { FLOAT = 1, INT64 = 7, STRING = 8 };
#define ROWS 5
#define FEATURES 3

static const float inputs[ROWS][FEATURES] = {
    {0.5F, -1, 2}, {0, 0, 0}, {-1.5F, 0.25F, 1}, {3, 2, -1}, {-0.5F, -2, 0.125F}};

/* --- models ------------------------------------------------------------------------------------ */

static void put_list(message *node, const char *name, int n, const char *const *values) {
  char text[256] = "";
  for (int i = 0; i < n; i++) {
    if (i) strcat(text, " ");
    strcat(text, values[i]);
  }
  put_texts_attr(node, name, text);
}

static message classic(const char *op, const char *outputs) {
  message n = node_bytes(op, "x", outputs);
  put_text(&n, 7, "ai.onnx.ml");
  return n;
}

static message model_of(message node, int label_type) {
  const int64_t in[] = {-1, FEATURES}, one[] = {-1}, two[] = {-1, -1};
  message g = {0}, set = {0}, m;
  put_message(&g, 1, node);
  put_message(&g, 11, value_bytes("x", FLOAT, 2, in));
  if (label_type) put_message(&g, 12, value_bytes("label", label_type, 1, one));
  put_message(&g, 12, value_bytes("y", FLOAT, 2, two));
  m = model_bytes(g, 15);
  put_text(&set, 1, "ai.onnx.ml");
  put_int(&set, 2, 1);
  put_message(&m, 8, set);
  return m;
}

/* Outputs of the model on the inputs above, for the caller to release. */
static ig_status run(message file, ig_datum **out) {
  ig_onnx_model *model = NULL;
  ig_graph *graph = NULL;
  ig_session *session = NULL;
  ig_datum *in = NULL;
  const ig_session_options options = {.plan = {.frozen_params = true}, .compute = IG_F32};
  run_env env = run_env_open();
  ig_status status = ig_onnx_model_parse("classic.onnx", file.at, file.size, &model);
  if (status == IG_OK) status = ig_onnx_import(model, NULL, &graph);
  if (status == IG_OK) {
    const ig_shape shape = IG_SHAPE(ROWS, FEATURES);
    GOOD(ig_datum_tensor(IG_F32, &shape, &in));
    memcpy(in->data, inputs, sizeof inputs);
    GOOD(ig_session_create(graph, env.backend, env.store, &options, &session));
    status = ig_session_run(session, &in, out);
  }
  ig_datum_release(in);
  ig_session_destroy(session);
  run_env_close(&env);
  ig_graph_destroy(graph);
  ig_onnx_model_close(model);
  free(file.at);
  return status;
}

static void check(message node, int label_type, int columns, const double *want, const int *want_labels) {
  static const char *const texts[] = {"ant", "bee", "cat"};
  ig_datum *out[2] = {NULL, NULL};
  GOOD(run(model_of(node, label_type), out));
  const ig_datum *y = out[label_type != 0];
  assert_int_equal(ig_shape_count(&y->shape), ROWS * columns);
  for (int i = 0; i < ROWS * columns; i++) {
    double got = (double)((const float *)y->data)[i];
    if (!(fabs(got - want[i]) <= 1e-5 * (1 + fabs(want[i])))) fail_msg("%d: %g, expected %g", i, got, want[i]);
  }
  for (int i = 0; i < ROWS && label_type; i++) {
    if (label_type == INT64) assert_int_equal(((const int64_t *)out[0]->data)[i], 10 * want_labels[i]);
    else assert_int_equal(((const ig_string *)out[0]->data)[i].bytes[0], texts[want_labels[i]][0]);
  }
  ig_datum_release(out[0]);
  ig_datum_release(out[1]);
}

static void put_labels(message *node, const char *name, int label_type, int n) {
  static const char *const texts[] = {"ant", "bee", "cat"};
  const int64_t ints[] = {0, 10, 20};
  if (label_type == INT64) put_ints_attr(node, name, n, ints);
  else put_list(node, "classlabels_strings", n, texts);
}

static double dot(const float *a, const float *b) {
  double sum = 0;
  for (int k = 0; k < FEATURES; k++) sum += (double)a[k] * (double)b[k];
  return sum;
}

static double logistic(double v) {
  return 1 / (1 + exp(-v));
}

/* --- linear ------------------------------------------------------------------------------------ */

static const float weights[9] = {1, -0.5F, 0.25F, -2, 0.75F, 1.5F, 0.5F, 0.5F, -1};
static const float offsets[3] = {0.1F, -0.2F, 0.3F};

static void linear_models(void **state) {
  IG_UNUSED(state);
  double y[ROWS * 3], pair[ROWS * 2];
  int best[ROWS], second[ROWS];
  for (int i = 0; i < ROWS; i++) {
    double sum = 0;
    best[i] = 0;
    for (int c = 0; c < 3; c++) {
      y[3 * i + c] = dot(inputs[i], weights + 3 * c) + (double)offsets[c];
      if (y[3 * i + c] > y[3 * i + best[i]]) best[i] = c;
      sum += exp(y[3 * i + c]);
    }
    double s = y[3 * i];
    pair[2 * i] = logistic(-s);
    pair[2 * i + 1] = logistic(s);
    second[i] = s > 0;
    for (int c = 0; c < 3; c++) y[3 * i + c] = exp(y[3 * i + c]) / sum;
  }
  message n = classic("LinearRegressor", "y");
  put_floats_attr(&n, "coefficients", 9, weights);
  put_floats_attr(&n, "intercepts", 3, offsets);
  put_int_attr(&n, "targets", 3);
  put_text_attr(&n, "post_transform", "SOFTMAX");
  check(n, 0, 3, y, NULL);
  n = classic("LinearClassifier", "label y");
  put_floats_attr(&n, "coefficients", 9, weights);
  put_floats_attr(&n, "intercepts", 3, offsets);
  put_labels(&n, "classlabels_ints", STRING, 3);
  put_text_attr(&n, "post_transform", "SOFTMAX");
  check(n, STRING, 3, y, best);
  n = classic("LinearClassifier", "label y");
  put_floats_attr(&n, "coefficients", 3, weights);
  put_floats_attr(&n, "intercepts", 1, offsets);
  put_labels(&n, "classlabels_ints", INT64, 2);
  put_text_attr(&n, "post_transform", "LOGISTIC");
  check(n, INT64, 2, pair, second);
}

/* --- support vectors --------------------------------------------------------------------------- */

static const float vectors[5][FEATURES] = {{1, 0, 0.5F}, {-1, 2, 0}, {0.5F, -1, 1}, {2, 1, -1}, {0, -2, 0.25F}};
static const float params[3] = {0.4F, 0.5F, 3}; /* gamma, coef0, degree */

static double kernel(int type, const float *x, const float *s) {
  double distance = 0;
  for (int k = 0; k < FEATURES; k++) distance += pow((double)x[k] - (double)s[k], 2);
  if (type == 0) return dot(x, s);
  if (type == 1) return pow((double)params[0] * dot(x, s) + (double)params[1], 3);
  if (type == 2) return exp(-(double)params[0] * distance);
  return tanh((double)params[0] * dot(x, s) + (double)params[1]);
}

static const char *const kernel_names[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};

static void put_kernel(message *n, int type) {
  put_floats_attr(n, "support_vectors", 5 * FEATURES, vectors[0]);
  put_text_attr(n, "kernel_type", kernel_names[type]);
  put_floats_attr(n, "kernel_params", 3, params);
}

static void support_vector_regression(void **state) {
  IG_UNUSED(state);
  for (int type = 0; type < 4; type++) {
    double y[ROWS], inside[ROWS];
    for (int i = 0; i < ROWS; i++) {
      y[i] = (double)offsets[0];
      for (int v = 0; v < 5; v++) y[i] += (double)weights[v] * kernel(type, inputs[i], vectors[v]);
      inside[i] = y[i] > 0 ? 1 : -1;
    }
    for (int one_class = 0; one_class < 2; one_class++) {
      message n = classic("SVMRegressor", "y");
      put_kernel(&n, type);
      put_floats_attr(&n, "coefficients", 5, weights);
      put_floats_attr(&n, "rho", 1, offsets);
      put_int_attr(&n, "n_supports", 5);
      put_int_attr(&n, "one_class", one_class);
      check(n, 0, 1, one_class ? inside : y, NULL);
    }
  }
}

/* Three classes with 2, 1 and 2 of the vectors: each pair votes for one of its two. */
static void support_vector_classes(void **state) {
  IG_UNUSED(state);
  static const float against[2][5] = {{0.5F, -1, 2, -0.75F, 1}, {1.5F, 0.25F, -1, 1, -2}};
  static const int of[] = {0, 0, 1, 2, 2};
  const int64_t per_class[] = {2, 1, 2};
  double y[ROWS * 3];
  int best[ROWS];
  for (int type = 0; type < 4; type++) {
    for (int i = 0; i < ROWS; i++) {
      int votes[3] = {0}, pair = 0;
      for (int a = 0; a < 3; a++) {
        for (int b = a + 1; b < 3; b++, pair++) {
          double s = (double)offsets[pair];
          for (int v = 0; v < 5; v++) {
            double k = kernel(type, inputs[i], vectors[v]);
            if (of[v] == a) s += (double)against[b - 1][v] * k;
            if (of[v] == b) s += (double)against[a][v] * k;
          }
          y[3 * i + pair] = s;
          votes[s > 0 ? a : b]++;
        }
      }
      best[i] = 0;
      for (int c = 1; c < 3; c++) best[i] = votes[c] > votes[best[i]] ? c : best[i];
    }
    message n = classic("SVMClassifier", "label y");
    put_kernel(&n, type);
    put_floats_attr(&n, "coefficients", 10, against[0]);
    put_floats_attr(&n, "rho", 3, offsets);
    put_ints_attr(&n, "vectors_per_class", 3, per_class);
    put_labels(&n, "classlabels_ints", INT64, 3);
    check(n, INT64, 3, y, best);
  }
}

/* --- trees ------------------------------------------------------------------------------------- */

/* Tree 0: x0 <= 0.25 ? leaf 1 : (x1 < 0 ? leaf 3 : leaf 4). Tree 1 is a leaf. */
typedef struct tree_lists {
  int64_t tree[6], id[6], feature[6], yes[6], no[6];
  float value[6];
  const char *mode[6];
} tree_lists;

static const tree_lists both = {.tree = {0, 0, 0, 0, 0, 1},
                                .id = {0, 1, 2, 3, 4, 0},
                                .feature = {0, 0, 1, 0, 0, 0},
                                .yes = {1, 0, 3, 0, 0, 0},
                                .no = {2, 0, 4, 0, 0, 0},
                                .value = {0.25F, 0, 0, 0, 0, 0},
                                .mode = {"BRANCH_LEQ", "LEAF", "BRANCH_LT", "LEAF", "LEAF", "LEAF"}};

static void put_trees(message *n, const tree_lists *t) {
  put_ints_attr(n, "nodes_treeids", 6, t->tree);
  put_ints_attr(n, "nodes_nodeids", 6, t->id);
  put_ints_attr(n, "nodes_featureids", 6, t->feature);
  put_ints_attr(n, "nodes_truenodeids", 6, t->yes);
  put_ints_attr(n, "nodes_falsenodeids", 6, t->no);
  put_floats_attr(n, "nodes_values", 6, t->value);
  put_list(n, "nodes_modes", 6, t->mode);
}

static int leaf_of(const float *x) {
  return x[0] <= 0.25F ? 0 : x[1] < 0 ? 1 : 2;
}

/* Leaves 1, 3, 4 of tree 0 with two votes each, and one of tree 1. */
static void put_votes(message *n, const char *what, const int64_t *targets, const float *votes) {
  const int64_t tree[] = {0, 0, 0, 0, 0, 0, 1}, id[] = {1, 1, 3, 3, 4, 4, 0};
  char name[32];
  snprintf(name, sizeof name, "%s_treeids", what);
  put_ints_attr(n, name, 7, tree);
  snprintf(name, sizeof name, "%s_nodeids", what);
  put_ints_attr(n, name, 7, id);
  snprintf(name, sizeof name, "%s_ids", what);
  put_ints_attr(n, name, 7, targets);
  snprintf(name, sizeof name, "%s_weights", what);
  put_floats_attr(n, name, 7, votes);
}

static const float votes[7] = {0.5F, -1, 2, 0.25F, -0.5F, 1.5F, 0.75F};
static const int64_t targets[7] = {0, 1, 0, 1, 0, 1, 1};

static void tree_regression(void **state) {
  IG_UNUSED(state);
  double y[ROWS * 2];
  for (int average = 0; average < 2; average++) {
    for (int i = 0; i < ROWS; i++) {
      for (int t = 0; t < 2; t++) {
        double sum = (double)votes[2 * leaf_of(inputs[i]) + t] + (t == 1 ? (double)votes[6] : 0);
        y[2 * i + t] = (average ? sum / 2 : sum) + (double)offsets[t];
      }
    }
    message n = classic("TreeEnsembleRegressor", "y");
    put_trees(&n, &both);
    put_votes(&n, "target", targets, votes);
    put_int_attr(&n, "n_targets", 2);
    put_floats_attr(&n, "base_values", 2, offsets);
    put_text_attr(&n, "aggregate_function", average ? "AVERAGE" : "SUM");
    check(n, 0, 2, y, NULL);
  }
}

static void tree_classes(void **state) {
  IG_UNUSED(state);
  static const int64_t first[7] = {0, 0, 0, 0, 0, 0, 0};
  double y[ROWS * 2], margin[ROWS * 2];
  int best[ROWS], second[ROWS];
  for (int i = 0; i < ROWS; i++) {
    const float *v = votes + 2 * leaf_of(inputs[i]);
    y[2 * i] = (double)v[0];
    y[2 * i + 1] = (double)v[1] + (double)votes[6];
    best[i] = y[2 * i + 1] > y[2 * i];
    double s = (double)v[0] + (double)v[1] + (double)votes[6] - 1.3;
    second[i] = s > 0;
    margin[2 * i] = logistic(-s);
    margin[2 * i + 1] = logistic(s);
  }
  const float base = -1.3F;
  message n = classic("TreeEnsembleClassifier", "label y");
  put_trees(&n, &both);
  put_votes(&n, "class", targets, votes);
  put_labels(&n, "classlabels_int64s", STRING, 2);
  check(n, STRING, 2, y, best);
  n = classic("TreeEnsembleClassifier", "label y"); /* all votes are for one class of two */
  put_trees(&n, &both);
  put_votes(&n, "class", first, votes);
  put_labels(&n, "classlabels_int64s", INT64, 2);
  put_floats_attr(&n, "base_values", 1, &base);
  put_text_attr(&n, "post_transform", "LOGISTIC");
  check(n, INT64, 2, margin, second);
}

/* --- what is refused --------------------------------------------------------------------------- */

static void refused(message node, const char *words) {
  ig_datum *out[2] = {NULL, NULL};
  assert_int_not_equal(run(model_of(node, 0), out), IG_OK);
  if (!strstr(ig_last_error(), words)) fail_msg("'%s' lacks '%s'", ig_last_error(), words);
}

static void refused_tree(const tree_lists *t, const char *words) {
  message n = classic("TreeEnsembleRegressor", "y");
  put_trees(&n, t);
  put_votes(&n, "target", targets, votes);
  put_int_attr(&n, "n_targets", 2);
  refused(n, words);
}

static void hostile(void **state) {
  IG_UNUSED(state);
  message n = classic("LinearRegressor", "y");
  put_floats_attr(&n, "coefficients", 4, weights);
  put_int_attr(&n, "targets", 3);
  refused(n, "4 coefficients are no rows for 3 results");
  n = classic("SVMRegressor", "y");
  put_floats_attr(&n, "coefficients", 5, weights);
  put_floats_attr(&n, "rho", 1, offsets);
  put_int_attr(&n, "n_supports", INT64_MAX);
  refused(n, "5 coefficients and 1 rho for 9223372036854775807 support vectors");
  tree_lists t = both;
  t.yes[0] = 7;
  refused_tree(&t, "node 0 of tree 0 has the child 7");
  t = both;
  t.id[2] = 1;
  refused_tree(&t, "two nodes 1");
  t = both;
  t.mode[4] = "BRANCH_GT";
  refused_tree(&t, "tree 0 has no leaf 4");
  t = both;
  t.yes[2] = t.no[2] = 0;
  t.no[0] = t.yes[0] = 2;
  refused_tree(&t, "circle");
  t = both;
  t.feature[0] = 3;
  refused_tree(&t, "feature 3 of 3");
  t = both;
  t.mode[0] = "BRANCH_SOMEHOW";
  refused_tree(&t, "BRANCH_SOMEHOW");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(linear_models),          cmocka_unit_test(support_vector_regression),
      cmocka_unit_test(support_vector_classes), cmocka_unit_test(tree_regression),
      cmocka_unit_test(tree_classes),           cmocka_unit_test(hostile),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
