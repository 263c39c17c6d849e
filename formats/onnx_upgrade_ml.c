/* What scikit-learn's exporter writes of the domain ai.onnx.ml, as operators that plans hold. Maps are no kind of
 * value here: ZipMap, which makes one of each row of probabilities, hands the rows on as they are. Linear models are
 * products. */
#include <string.h>

#include "formats/onnx_import_parts.h"

static const ig_attr *find(const ig_onnx_call *call, const char *name, ig_attr_type type) {
  for (int i = 0; i < call->n_attrs; i++) {
    if (strcmp(call->attrs[i].name, name) == 0 && call->attrs[i].type == type) return &call->attrs[i];
  }
  return NULL;
}

ig_status ig_onnx_zip_map(ig_onnx_call *call) {
  call->op = "Identity";
  call->n_attrs = 0;
  return IG_OK;
}

/* Numbers picked from a vector are one row of a Gather; texts are the interpreter's. */
ig_status ig_onnx_array_feature_extractor(ig_onnx_call *call) {
  static const int64_t row[] = {1, -1};
  ig_graph *g = call->graph;
  if (call->n_in != 2 || call->n_out != 1) return IG_OK;
  const ig_value *x = call->in[0];
  bool vector = x && x->kind != IG_VALUE_RESULT && !x->any_shape && x->shape.rank == 1;
  if (!vector || x->dtype == IG_STRING || x->dtype == IG_NONE) return IG_OK;
  ig_value *places = ig_op1(g, "Reshape", NULL, IG_INS(call->in[1], ig_graph_const_i64s(g, 2, row)), IG_NO_ATTRS);
  ig_node *made = ig_graph_node_named(g, "Gather", call->name, IG_INS(call->in[0], places), IG_NO_ATTRS, 1,
                                      call->out_names);
  IG_TRY(ig_graph_status(g));
  call->out[0] = made->outputs[0];
  call->done = true;
  return IG_OK;
}

/* x coefficients' + intercepts, of `rows` results. */
static ig_status linear(ig_onnx_call *call, int64_t rows, ig_value **out) {
  ig_graph *g = call->graph;
  const ig_attr *w = find(call, "coefficients", IG_ATTR_FLOATS), *b = find(call, "intercepts", IG_ATTR_FLOATS);
  IG_CHECK(call->n_in == 1 && call->in[0] && w && rows > 0 && w->floats.n % rows == 0, IG_ERR_INPUT,
           "attribute 'coefficients' must have as many numbers for each of %lld results, of one input",
           (long long)rows);
  IG_CHECK(!b || b->floats.n == 0 || b->floats.n == rows, IG_ERR_INPUT, "%d intercepts for %lld results",
           b->floats.n, (long long)rows);
  ig_value *x = call->in[0];
  if (x->dtype != IG_F32) {
    x = ig_op1(g, "Cast", NULL, IG_INS(x), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
  }
  ig_value *matrix = ig_graph_const(g, NULL, IG_F32, IG_SHAPE(rows, w->floats.n / rows), w->floats.v);
  ig_value *bias = b && b->floats.n ? ig_graph_const(g, NULL, IG_F32, IG_SHAPE(rows), b->floats.v) : NULL;
  *out = ig_op1(g, "Gemm", NULL, IG_INS(x, matrix, bias), IG_ATTRS(IG_INT("transB", 1)));
  return ig_graph_status(g);
}

static ig_status transformed(ig_onnx_call *call, ig_value *y, const char *name, ig_value **out) {
  const ig_attr *post = find(call, "post_transform", IG_ATTR_STRING);
  const char *op = !post || strcmp(post->s, "NONE") == 0 ? "Identity"
                   : strcmp(post->s, "SOFTMAX") == 0     ? "Softmax"
                   : strcmp(post->s, "LOGISTIC") == 0    ? "Sigmoid"
                                                         : NULL;
  IG_CHECK(op, IG_ERR_UNSUPPORTED, "attribute 'post_transform' is %s, expected NONE, SOFTMAX or LOGISTIC", post->s);
  ig_node *made = ig_graph_node_named(call->graph, op, NULL, IG_INS(y), IG_NO_ATTRS, 1, &name);
  IG_TRY(ig_graph_status(call->graph));
  *out = made->outputs[0];
  return IG_OK;
}

ig_status ig_onnx_linear_regressor(ig_onnx_call *call) {
  const ig_attr *targets = find(call, "targets", IG_ATTR_INT);
  ig_value *y;
  IG_CHECK(call->n_out == 1, IG_ERR_INPUT, "one output is expected");
  IG_TRY(linear(call, targets ? targets->i : 1, &y));
  call->done = true;
  return transformed(call, y, call->out_names[0], &call->out[0]);
}

/* The labels of the greatest scores, and the scores; one row of coefficients for each class. */
ig_status ig_onnx_linear_classifier(ig_onnx_call *call) {
  static const int64_t flat[] = {-1};
  ig_graph *g = call->graph;
  const ig_attr *ints = find(call, "classlabels_ints", IG_ATTR_INTS);
  const ig_attr *texts = find(call, "classlabels_strings", IG_ATTR_STRINGS);
  bool words = texts && texts->strings.n > 0;
  IG_CHECK(words || (ints && ints->ints.n > 0), IG_ERR_INPUT, "it has no labels");
  IG_CHECK(call->n_out == 2, IG_ERR_INPUT, "two outputs are expected, found %d", call->n_out);
  int n = words ? texts->strings.n : ints->ints.n;
  const ig_attr *w = find(call, "coefficients", IG_ATTR_FLOATS), *b = find(call, "intercepts", IG_ATTR_FLOATS);
  IG_CHECK(!w || !b || n != 2 || b->floats.n != 1, IG_ERR_UNSUPPORTED,
           "one row of coefficients for two classes is not supported");
  ig_value *scores;
  IG_TRY(linear(call, n, &scores));
  ig_value *best = ig_op1(g, "ArgMax", NULL, IG_INS(scores), IG_ATTRS(IG_INT("axis", 1), IG_INT("keepdims", 0)));
  ig_literal labels = {IG_I64, IG_SHAPE(n), ints ? ints->ints.v : NULL};
  ig_string *list = ig_arena_alloc(g->arena, (size_t)n * sizeof *list);
  IG_CHECK_ALLOC(list);
  for (int i = 0; words && i < n; i++) list[i] = (ig_string){texts->strings.v[i], strlen(texts->strings.v[i])};
  if (words) labels = (ig_literal){IG_STRING, IG_SHAPE(n), list};
  ig_value *known = ig_onnx_constant(g, NULL, &labels);
  ig_value *row = words ? ig_op1(g, "ai.onnx.ml.ArrayFeatureExtractor", NULL, IG_INS(known, best), IG_NO_ATTRS)
                        : ig_op1(g, "Gather", NULL, IG_INS(known, best), IG_NO_ATTRS);
  ig_node *label = ig_graph_node_named(g, "Reshape", call->name, IG_INS(row, ig_graph_const_i64s(g, 1, flat)),
                                       IG_NO_ATTRS, 1, &call->out_names[0]);
  IG_TRY(ig_graph_status(g));
  call->out[0] = label->outputs[0];
  call->done = true;
  return transformed(call, scores, call->out_names[1], &call->out[1]);
}
