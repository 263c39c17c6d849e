/* Linear models and support vector machines of ai.onnx.ml as products of matrices. Numbers come in attributes and
 * become constants; whatever type the input has, linear models are computed in f32, as they are stored, and
 * kernels of support vectors in f64, since they are powers and exponentials of sums. */
#include <string.h>

#include "formats/onnx_import_parts.h"

#define MOST_NUMBERS ((int64_t)1 << 26) /* of a matrix that is made here */

/* --- attributes -------------------------------------------------------------------------------- */

ig_status ig_onnx_floats_of(const ig_onnx_call *call, const char *name, ig_floats *out) {
  const ig_attr *a = ig_onnx_call_attr(call, name);
  *out = (ig_floats){0};
  IG_CHECK(!a || a->type == IG_ATTR_FLOATS, IG_ERR_INPUT, "attribute '%s' must be floats", name);
  if (a) *out = a->floats;
  return IG_OK;
}

ig_status ig_onnx_ints_of(const ig_onnx_call *call, const char *name, ig_ints *out) {
  const ig_attr *a = ig_onnx_call_attr(call, name);
  *out = (ig_ints){0};
  IG_CHECK(!a || a->type == IG_ATTR_INTS, IG_ERR_INPUT, "attribute '%s' must be integers", name);
  if (a) *out = a->ints;
  return IG_OK;
}

static int64_t int_of(const ig_onnx_call *call, const char *name, int64_t fallback) {
  const ig_attr *a = ig_onnx_call_attr(call, name);
  return a && a->type == IG_ATTR_INT ? a->i : fallback;
}

const char *ig_onnx_text_attr(const ig_onnx_call *call, const char *name, const char *fallback) {
  const ig_attr *a = ig_onnx_call_attr(call, name);
  return a && a->type == IG_ATTR_STRING ? a->s : fallback;
}

ig_status ig_onnx_labels_of(const ig_onnx_call *call, const char *ints, ig_onnx_labels *out) {
  const ig_attr *texts = ig_onnx_call_attr(call, "classlabels_strings");
  *out = (ig_onnx_labels){0};
  IG_TRY(ig_onnx_ints_of(call, ints, &out->ints));
  IG_CHECK(!texts || texts->type == IG_ATTR_STRINGS, IG_ERR_INPUT,
           "attribute 'classlabels_strings' must be texts");
  if (texts) out->texts = texts->strings;
  IG_CHECK((out->ints.n > 0) != (out->texts.n > 0), IG_ERR_INPUT,
           "one of %s and classlabels_strings is to be given", ints);
  out->n = out->ints.n + out->texts.n;
  return IG_OK;
}

/* --- values ------------------------------------------------------------------------------------ */

static ig_value *cast(ig_graph *g, ig_value *x, ig_dtype to) {
  return ig_op1(g, "Cast", NULL, IG_INS(x), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(to))));
}

static ig_value *binary(ig_graph *g, const char *op, ig_value *a, ig_value *b) {
  return ig_op1(g, op, NULL, IG_INS(a, b), IG_NO_ATTRS);
}

static ig_value *unary(ig_graph *g, const char *op, ig_value *x) {
  return ig_op1(g, op, NULL, IG_INS(x), IG_NO_ATTRS);
}

static ig_value *scalar(ig_graph *g, ig_dtype dtype, double value) {
  double bytes = 0;
  ig_store_f64(dtype, &bytes, 0, value);
  return ig_graph_const(g, NULL, dtype, IG_SCALAR, &bytes);
}

static ig_value *concat(ig_graph *g, ig_value *a, ig_value *b) {
  return ig_op1(g, "Concat", NULL, IG_INS(a, b), IG_ATTRS(IG_INT("axis", 1)));
}

void ig_onnx_result(ig_onnx_call *call, int index, ig_value *value) {
  if (index >= call->n_out) return;
  ig_node *last =
      ig_graph_node_named(call->graph, "Cast", call->name, IG_INS(value),
                          IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))), 1, &call->out_names[index]);
  call->out[index] = last ? last->outputs[0] : NULL;
}

ig_value *ig_onnx_label(ig_onnx_call *call, const ig_onnx_labels *labels, ig_value *indices) {
  ig_graph *g = call->graph;
  ig_node *made;
  if (labels->ints.n) {
    ig_value *list = ig_graph_const_i64s(g, labels->ints.n, labels->ints.v);
    made = ig_graph_node_named(g, "Gather", call->name, IG_INS(list, indices), IG_NO_ATTRS, 1, call->out_names);
  } else {
    int64_t *keys = ig_alloc((size_t)labels->n * sizeof *keys);
    if (!keys) return NULL;
    for (int i = 0; i < labels->n; i++) keys[i] = i;
    const ig_attr attrs[] = {IG_INTS("keys_int64s", labels->n, keys),
                             {.name = "values_strings", .type = IG_ATTR_STRINGS, .strings = labels->texts}};
    made = ig_graph_node_named(g, "ai.onnx.ml.LabelEncoder", call->name, IG_INS(indices), 2, attrs, 1,
                               call->out_names);
    ig_free(keys);
  }
  return made ? made->outputs[0] : NULL;
}

static ig_value *first_of_most(ig_graph *g, ig_value *scores) {
  return ig_op1(g, "ArgMax", NULL, IG_INS(scores), IG_ATTRS(IG_INT("axis", 1), IG_INT("keepdims", 0)));
}

/* --- transforms -------------------------------------------------------------------------------- */

/* Zeros stay zeros, and count for nothing. */
static ig_value *softmax_zero(ig_graph *g, ig_value *s) {
  const int64_t axis = 1;
  ig_value *axes = ig_graph_const_i64s(g, 1, &axis);
  ig_value *most = ig_op1(g, "ReduceMax", NULL, IG_INS(s, axes), IG_ATTRS(IG_INT("keepdims", 1)));
  ig_value *e = unary(g, "Exp", binary(g, "Sub", s, most));
  ig_value *kept = binary(g, "Mul", e, cast(g, cast(g, s, IG_BOOL), IG_F32));
  ig_value *sum = ig_op1(g, "ReduceSum", NULL, IG_INS(kept, axes), IG_ATTRS(IG_INT("keepdims", 1)));
  ig_value *some = binary(g, "Max", sum, scalar(g, IG_F32, 1e-30));
  return binary(g, "Div", kept, some);
}

/* The inverse of the normal distribution function (Winitzki 2008), as TreeEnsemble has it. */
static ig_value *probit(ig_graph *g, ig_value *p) {
  const double a = 0.147, two_by_pi_a = 2 / (3.14159265358979323846 * a);
  ig_value *x = binary(g, "Sub", binary(g, "Add", p, p), scalar(g, IG_F32, 1));
  ig_value *l = unary(g, "Log", binary(g, "Sub", scalar(g, IG_F32, 1), binary(g, "Mul", x, x)));
  ig_value *half = binary(g, "Mul", l, scalar(g, IG_F32, 0.5));
  ig_value *b = binary(g, "Add", half, scalar(g, IG_F32, two_by_pi_a));
  ig_value *by_a = binary(g, "Mul", l, scalar(g, IG_F32, 1 / a));
  ig_value *root = unary(g, "Sqrt", binary(g, "Sub", binary(g, "Mul", b, b), by_a));
  ig_value *size = unary(g, "Sqrt", binary(g, "Sub", root, b));
  ig_value *scaled = binary(g, "Mul", size, scalar(g, IG_F32, 1.41421356237309504880));
  return binary(g, "Mul", unary(g, "Sign", x), scaled);
}

ig_status ig_onnx_transform(ig_onnx_call *call, ig_value *scores, ig_value **out) {
  const char *kind = ig_onnx_text_attr(call, "post_transform", "NONE");
  ig_graph *g = call->graph;
  if (strcmp(kind, "NONE") == 0) *out = scores;
  else if (strcmp(kind, "SOFTMAX") == 0) *out = ig_op1(g, "Softmax", NULL, IG_INS(scores), IG_ATTRS(IG_INT("axis", 1)));
  else if (strcmp(kind, "LOGISTIC") == 0) *out = unary(g, "Sigmoid", scores);
  else if (strcmp(kind, "SOFTMAX_ZERO") == 0) *out = softmax_zero(g, scores);
  else if (strcmp(kind, "PROBIT") == 0) *out = probit(g, scores);
  else
    return ig_fail(IG_ERR_INPUT,
                   "attribute 'post_transform': expected NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT, found '%.32s'",
                   kind);
  return IG_OK;
}

ig_status ig_onnx_two_scores(ig_onnx_call *call, ig_value *score, bool complement, ig_value **out) {
  const char *kind = ig_onnx_text_attr(call, "post_transform", "NONE");
  ig_graph *g = call->graph;
  ig_value *minus = unary(g, "Neg", score);
  bool transformed = strcmp(kind, "NONE") != 0 && strcmp(kind, "PROBIT") != 0;
  if (transformed) return ig_onnx_transform(call, concat(g, minus, score), out);
  ig_value *other = complement ? binary(g, "Sub", scalar(g, IG_F32, 1), score) : minus;
  *out = concat(g, other, score);
  return IG_OK;
}

/* --- linear models ----------------------------------------------------------------------------- */

/* [N, rows] in f32: the input by `rows` rows of coefficients, plus intercepts where there are any. */
static ig_status linear(ig_onnx_call *call, int64_t rows, ig_value **out) {
  ig_floats weights, intercepts;
  ig_graph *g = call->graph;
  IG_CHECK(call->n_in == 1 && call->in[0], IG_ERR_INPUT, "one input is expected");
  IG_TRY(ig_onnx_floats_of(call, "coefficients", &weights));
  IG_TRY(ig_onnx_floats_of(call, "intercepts", &intercepts));
  IG_CHECK(rows >= 1 && weights.n > 0 && rows <= weights.n && weights.n % rows == 0, IG_ERR_INPUT,
           "%d coefficients are no rows for %lld results", weights.n, (long long)rows);
  IG_CHECK(intercepts.n == 0 || intercepts.n == rows, IG_ERR_INPUT, "%d intercepts for %lld results",
           intercepts.n, (long long)rows);
  ig_value *x = cast(g, call->in[0], IG_F32);
  ig_value *w = ig_graph_const(g, NULL, IG_F32, IG_SHAPE(rows, weights.n / rows), weights.v);
  ig_value *c = intercepts.n ? ig_graph_const(g, NULL, IG_F32, IG_SHAPE(rows), intercepts.v) : NULL;
  *out = ig_op1(g, "Gemm", NULL, c ? 3 : 2, (ig_value *[]){x, w, c}, IG_ATTRS(IG_INT("transB", 1)));
  return ig_graph_status(g);
}

ig_status ig_onnx_linear_regressor(ig_onnx_call *call) {
  ig_value *y = NULL;
  IG_TRY(linear(call, int_of(call, "targets", 1), &y));
  IG_TRY(ig_onnx_transform(call, y, &y));
  ig_onnx_result(call, 0, y);
  call->done = true;
  return ig_graph_status(call->graph);
}

/* One row of coefficients for two classes is the second one's. */
ig_status ig_onnx_linear_classifier(ig_onnx_call *call) {
  ig_onnx_labels labels;
  ig_floats intercepts;
  ig_graph *g = call->graph;
  ig_value *scores = NULL, *probabilities = NULL;
  IG_TRY(ig_onnx_labels_of(call, "classlabels_ints", &labels));
  IG_TRY(ig_onnx_floats_of(call, "intercepts", &intercepts));
  int64_t rows = labels.n == 2 && intercepts.n == 1 ? 1 : labels.n;
  IG_CHECK(labels.n >= 2, IG_ERR_UNSUPPORTED, "a classifier of one class");
  IG_TRY(linear(call, rows, &scores));
  if (rows == 1) {
    ig_value *minus = unary(g, "Neg", scores);
    IG_TRY(ig_onnx_two_scores(call, scores, true, &probabilities));
    scores = concat(g, minus, scores);
  } else {
    IG_TRY(ig_onnx_transform(call, scores, &probabilities));
  }
  call->out[0] = ig_onnx_label(call, &labels, first_of_most(g, scores));
  ig_onnx_result(call, 1, probabilities);
  call->done = true;
  return ig_graph_status(g);
}

/* --- support vectors --------------------------------------------------------------------------- */

typedef struct kernel {
  const char *type;
  double gamma, offset, degree;
} kernel;

static ig_status kernel_of(const ig_onnx_call *call, kernel *out) {
  static const char *const types[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
  ig_floats params;
  IG_TRY(ig_onnx_floats_of(call, "kernel_params", &params));
  *out = (kernel){.type = ig_onnx_text_attr(call, "kernel_type", "LINEAR")};
  IG_CHECK(params.n == 0 || params.n == 3, IG_ERR_INPUT, "kernel_params: expected 3 numbers, found %d", params.n);
  if (params.n) *out = (kernel){out->type, (double)params.v[0], (double)params.v[1], (double)params.v[2]};
  for (int i = 0; i < IG_COUNT(types); i++) {
    if (strcmp(types[i], out->type) == 0) return IG_OK;
  }
  return ig_fail(IG_ERR_INPUT, "attribute 'kernel_type': expected LINEAR, POLY, RBF or SIGMOID, found '%.32s'",
                 out->type);
}

/* [cols, rows] in f64 from [rows, cols] in f32. */
static ig_status transposed(ig_graph *g, int64_t rows, int64_t cols, const float *from, ig_value **out) {
  double *t = ig_alloc((size_t)(rows * cols) * sizeof *t);
  IG_CHECK_ALLOC(t);
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t k = 0; k < cols; k++) t[k * rows + i] = (double)from[i * cols + k];
  }
  *out = ig_graph_const(g, NULL, IG_F64, IG_SHAPE(cols, rows), t);
  ig_free(t);
  return ig_graph_status(g);
}

/* |x|^2 - 2 x.s + |s|^2, in f64, where rounding takes nothing from it that f32 could show. */
static ig_status distances(ig_graph *g, ig_value *x, ig_value *dots, int64_t n, int64_t features,
                           const float *vectors, ig_value **out) {
  const int64_t axis = 1;
  double *squares = ig_alloc_zero((size_t)n, sizeof *squares);
  IG_CHECK_ALLOC(squares);
  for (int64_t i = 0; i < n * features; i++) squares[i / features] += (double)vectors[i] * (double)vectors[i];
  ig_value *s = ig_graph_const(g, NULL, IG_F64, IG_SHAPE(n), squares);
  ig_free(squares);
  ig_value *axes = ig_graph_const_i64s(g, 1, &axis);
  ig_value *own = ig_op1(g, "ReduceSumSquare", NULL, IG_INS(x, axes), IG_ATTRS(IG_INT("keepdims", 1)));
  ig_value *sum = binary(g, "Add", own, s);
  *out = binary(g, "Sub", sum, binary(g, "Add", dots, dots));
  return ig_graph_status(g);
}

/* [N, n] in f64: the kernel between rows of the input and `n` support vectors. */
static ig_status kernels(ig_onnx_call *call, const kernel *k, int64_t n, ig_value **out) {
  ig_floats vectors;
  ig_graph *g = call->graph;
  ig_value *x, *t = NULL, *y;
  IG_CHECK(call->n_in == 1 && call->in[0], IG_ERR_INPUT, "one input is expected");
  IG_TRY(ig_onnx_floats_of(call, "support_vectors", &vectors));
  IG_CHECK(n >= 1 && vectors.n > 0 && n <= vectors.n && vectors.n % n == 0, IG_ERR_INPUT,
           "%d numbers are no %lld support vectors", vectors.n, (long long)n);
  int64_t features = vectors.n / n;
  IG_TRY(transposed(g, n, features, vectors.v, &t));
  x = cast(g, cast(g, call->in[0], IG_F32), IG_F64);
  y = binary(g, "MatMul", x, t);
  if (strcmp(k->type, "RBF") == 0) {
    IG_TRY(distances(g, x, y, n, features, vectors.v, &y));
    y = unary(g, "Exp", binary(g, "Mul", y, scalar(g, IG_F64, -k->gamma)));
  } else if (strcmp(k->type, "LINEAR") != 0) {
    y = binary(g, "Mul", y, scalar(g, IG_F64, k->gamma));
    y = binary(g, "Add", y, scalar(g, IG_F64, k->offset));
    bool power = strcmp(k->type, "POLY") == 0;
    y = power ? binary(g, "Pow", y, scalar(g, IG_F64, k->degree)) : unary(g, "Tanh", y);
  }
  *out = y;
  return ig_graph_status(g);
}

/* Without support vectors, `rows` rows of coefficients stand for themselves. */
static ig_status svm_linear(ig_onnx_call *call, int64_t rows, ig_value **out) {
  ig_floats rho;
  IG_TRY(ig_onnx_floats_of(call, "rho", &rho));
  IG_CHECK(rho.n >= 1, IG_ERR_INPUT, "rho is not given");
  IG_TRY(linear(call, rows, out));
  *out = binary(call->graph, "Add", *out, scalar(call->graph, IG_F32, (double)rho.v[0]));
  return ig_graph_status(call->graph);
}

ig_status ig_onnx_svm_regressor(ig_onnx_call *call) {
  ig_floats weights, rho;
  ig_graph *g = call->graph;
  ig_value *y = NULL, *w = NULL;
  kernel k;
  int64_t n = int_of(call, "n_supports", 0);
  IG_TRY(kernel_of(call, &k));
  IG_TRY(ig_onnx_floats_of(call, "coefficients", &weights));
  IG_TRY(ig_onnx_floats_of(call, "rho", &rho));
  if (n == 0) {
    IG_TRY(svm_linear(call, 1, &y));
  } else {
    IG_CHECK(weights.n == n && rho.n >= 1, IG_ERR_INPUT, "%d coefficients and %d rho for %lld support vectors",
             weights.n, rho.n, (long long)n);
    IG_TRY(kernels(call, &k, n, &y));
    IG_TRY(transposed(g, 1, n, weights.v, &w));
    y = binary(g, "Add", binary(g, "MatMul", y, w), scalar(g, IG_F64, (double)rho.v[0]));
    y = cast(g, y, IG_F32);
  }
  if (int_of(call, "one_class", 0)) {
    ig_value *inside = cast(g, binary(g, "Greater", y, scalar(g, IG_F32, 0)), IG_F32);
    y = binary(g, "Sub", binary(g, "Add", inside, inside), scalar(g, IG_F32, 1));
  } else {
    IG_TRY(ig_onnx_transform(call, y, &y));
  }
  ig_onnx_result(call, 0, y);
  call->done = true;
  return ig_graph_status(g);
}

/* Each pair of classes has a score, which is linear in the kernels: [n, pairs], filled from coefficients
 * [classes - 1, n], where a vector of class i has its coefficient against class j in row j, less one where j > i. */
static ig_status pair_matrix(ig_onnx_call *call, const ig_ints *per_class, int64_t n, ig_value **out) {
  ig_floats weights;
  int64_t classes = per_class->n, pairs = classes * (classes - 1) / 2, start = 0;
  IG_TRY(ig_onnx_floats_of(call, "coefficients", &weights));
  IG_CHECK(weights.n == (classes - 1) * n, IG_ERR_INPUT,
           "%d coefficients for %lld support vectors of %lld classes", weights.n, (long long)n, (long long)classes);
  IG_CHECK(n * pairs <= MOST_NUMBERS, IG_ERR_UNSUPPORTED, "%lld pairs of classes for %lld support vectors",
           (long long)pairs, (long long)n);
  double *m = ig_alloc_zero((size_t)(n * pairs), sizeof *m);
  IG_CHECK_ALLOC(m);
  for (int64_t c = 0; c < classes; c++) {
    for (int64_t v = start; v < start + per_class->v[c]; v++) {
      for (int64_t i = 0, pair = 0; i < classes; i++) {
        for (int64_t j = i + 1; j < classes; j++, pair++) {
          if (i == c) m[v * pairs + pair] = (double)weights.v[(j - 1) * n + v];
          if (j == c) m[v * pairs + pair] = (double)weights.v[i * n + v];
        }
      }
    }
    start += per_class->v[c];
  }
  *out = ig_graph_const(call->graph, NULL, IG_F64, IG_SHAPE(n, pairs), m);
  ig_free(m);
  return ig_graph_status(call->graph);
}

/* [N, classes] of votes from [N, pairs]: a score above 0 is one for the pair's first class. Of the won pairs, `by`
 * says +1 for the first and -1 for the second class; `all` counts the votes when none is won. */
static ig_status votes_of(ig_graph *g, ig_value *scores, int64_t classes, ig_value **out) {
  int64_t pairs = classes * (classes - 1) / 2;
  float *by = ig_alloc_zero((size_t)(pairs * classes), sizeof *by);
  float *all = ig_alloc_zero((size_t)classes, sizeof *all);
  if (!by || !all) {
    ig_free(by);
    ig_free(all);
    return ig_fail(IG_ERR_MEMORY, "out of memory");
  }
  for (int64_t i = 0, pair = 0; i < classes; i++) {
    for (int64_t j = i + 1; j < classes; j++, pair++) {
      by[pair * classes + i] = 1;
      by[pair * classes + j] = -1;
      all[j] += 1;
    }
  }
  ig_value *won = cast(g, binary(g, "Greater", scores, scalar(g, IG_F64, 0)), IG_F32);
  ig_value *change = binary(g, "MatMul", won, ig_graph_const(g, NULL, IG_F32, IG_SHAPE(pairs, classes), by));
  *out = binary(g, "Add", change, ig_graph_const(g, NULL, IG_F32, IG_SHAPE(classes), all));
  ig_free(by);
  ig_free(all);
  return ig_graph_status(g);
}

static ig_status check_classes(const ig_onnx_call *call, const ig_onnx_labels *labels, const ig_ints *per_class,
                               int64_t *n) {
  ig_floats rho, probabilities;
  int64_t classes = per_class->n;
  IG_TRY(ig_onnx_floats_of(call, "rho", &rho));
  IG_TRY(ig_onnx_floats_of(call, "prob_a", &probabilities));
  IG_CHECK(probabilities.n == 0, IG_ERR_UNSUPPORTED,
           "probabilities of support vector machines (prob_a, prob_b): export the model without them");
  IG_CHECK(classes >= 2 && classes == labels->n && classes <= 4096, IG_ERR_INPUT,
           "vectors_per_class of %lld classes, labels of %d", (long long)classes, labels->n);
  IG_CHECK(rho.n == classes * (classes - 1) / 2, IG_ERR_INPUT, "%d rho for %lld classes", rho.n,
           (long long)classes);
  *n = 0;
  for (int i = 0; i < per_class->n; i++) {
    IG_CHECK(per_class->v[i] >= 0 && per_class->v[i] <= INT32_MAX, IG_ERR_INPUT,
             "vectors_per_class holds %lld", (long long)per_class->v[i]);
    *n += per_class->v[i];
  }
  return IG_OK;
}

/* The class with most votes; its scores are those of the pairs. */
static ig_status svm_pairs(ig_onnx_call *call, const ig_onnx_labels *labels, const ig_ints *per_class) {
  ig_graph *g = call->graph;
  ig_value *k = NULL, *m = NULL, *offsets = NULL, *votes = NULL, *scores;
  ig_floats rho;
  kernel kind;
  int64_t n = 0;
  IG_TRY(kernel_of(call, &kind));
  IG_TRY(check_classes(call, labels, per_class, &n));
  IG_TRY(ig_onnx_floats_of(call, "rho", &rho));
  IG_TRY(kernels(call, &kind, n, &k));
  IG_TRY(pair_matrix(call, per_class, n, &m));
  IG_TRY(transposed(g, rho.n, 1, rho.v, &offsets));
  scores = binary(g, "Add", binary(g, "MatMul", k, m), offsets);
  IG_TRY(votes_of(g, scores, per_class->n, &votes));
  call->out[0] = ig_onnx_label(call, labels, first_of_most(g, votes));
  scores = cast(g, scores, IG_F32);
  IG_TRY(rho.n == 1 ? ig_onnx_two_scores(call, scores, false, &scores) : ig_onnx_transform(call, scores, &scores));
  ig_onnx_result(call, 1, scores);
  return IG_OK;
}

ig_status ig_onnx_svm_classifier(ig_onnx_call *call) {
  ig_onnx_labels labels;
  ig_ints per_class;
  ig_value *scores = NULL;
  ig_graph *g = call->graph;
  IG_TRY(ig_onnx_labels_of(call, "classlabels_ints", &labels));
  IG_TRY(ig_onnx_ints_of(call, "vectors_per_class", &per_class));
  if (per_class.n) {
    IG_TRY(svm_pairs(call, &labels, &per_class));
  } else {
    IG_TRY(svm_linear(call, labels.n, &scores));
    call->out[0] = ig_onnx_label(call, &labels, first_of_most(g, scores));
    IG_TRY(ig_onnx_transform(call, scores, &scores));
    ig_onnx_result(call, 1, scores);
  }
  call->done = true;
  return ig_graph_status(g);
}
