/* ai.onnx.preview.FlexAttention: attention whose scores and probabilities each go through a body of the
 * model's own. Inputs are queries [B, H, L, E], keys [B, G, S, E] and values [B, G, S, F], then what the
 * bodies capture. Each group of H / G query heads shares a head of keys and values. Softmax is computed in
 * `softmax_precision`, f32 for 16-bit types unless it is given. */
#include <math.h>

#include "engine/base/checked.h"
#include "engine/ops/body.h"
#include "engine/plan/interpret.h"

typedef struct flex_attrs {
  ig_graph *prob_mod, *score_mod;
  float scale;
  int64_t softmax_precision, captured;
} flex_attrs;

static const ig_attr_field attrs[] = {
    {.name = "prob_mod", .type = IG_ATTR_GRAPH, .offset = offsetof(flex_attrs, prob_mod)},
    {.name = "score_mod", .type = IG_ATTR_GRAPH, .offset = offsetof(flex_attrs, score_mod)},
    IG_FIELD_FLOAT(flex_attrs, scale, 0),
    IG_FIELD_INT(flex_attrs, softmax_precision, 0),
    IG_FIELD_INT(flex_attrs, captured, 0),
    {0},
};

typedef struct flex {
  ig_dtype dtype, compute;
  int64_t batch, heads, kv_heads, queries, keys, size, v_size;
  double scale;
} flex;

static ig_status describe(const ig_node *node, ig_datum *const *in, flex *out) {
  const flex_attrs *a = IG_ATTRS_OF(flex_attrs, node);
  for (int i = 0; i < 3; i++) {
    IG_CHECK(in[i]->kind == IG_DATUM_TENSOR && ig_dtype_is_float(in[i]->dtype) &&
                 in[i]->dtype == in[0]->dtype && in[i]->shape.rank == 4,
             IG_ERR_SHAPE, "input %d must be floats of four dimensions, like input 0", i);
  }
  const int64_t *q = in[0]->shape.dims, *k = in[1]->shape.dims, *v = in[2]->shape.dims;
  IG_CHECK(q[0] == k[0] && k[0] == v[0] && k[1] == v[1] && k[1] >= 1 && q[1] % k[1] == 0 &&
               q[3] == k[3] && k[2] == v[2],
           IG_ERR_SHAPE, "queries %s, keys %s and values %s do not fit", IG_SHAPE_STR(&in[0]->shape),
           IG_SHAPE_STR(&in[1]->shape), IG_SHAPE_STR(&in[2]->shape));
  *out = (flex){.dtype = in[0]->dtype,
                .compute = in[0]->dtype == IG_F64 ? IG_F64 : IG_F32,
                .batch = q[0], .heads = q[1], .kv_heads = k[1],
                .queries = q[2], .keys = k[2], .size = q[3], .v_size = v[3],
                .scale = (double)a->scale};
  if (a->softmax_precision) out->compute = ig_dtype_from_onnx(a->softmax_precision);
  IG_CHECK(ig_dtype_is_float(out->compute), IG_ERR_USAGE,
           "attribute softmax_precision is %lld, expected a float type",
           (long long)a->softmax_precision);
  if (out->scale == 0) out->scale = 1 / sqrt((double)out->size);
  return IG_OK;
}

/* Row of keys or values that query row `row` (of batch, heads and queries) reads, times its width. */
static int64_t shared_rows(const flex *f, int64_t row) {
  int64_t head = row / f->queries, b = head / f->heads, h = head % f->heads;
  return (b * f->kv_heads + h / (f->heads / f->kv_heads)) * f->keys;
}

static void make_scores(const flex *f, ig_datum *const *in, ig_datum *scores) {
  for (int64_t i = 0; i < ig_shape_count(&scores->shape); i++) {
    int64_t row = i / f->keys, key = shared_rows(f, row) + i % f->keys;
    double sum = 0;
    for (int64_t e = 0; e < f->size; e++) {
      sum += ig_load_f64(f->dtype, in[0]->data, row * f->size + e) *
             ig_load_f64(f->dtype, in[1]->data, key * f->size + e);
    }
    ig_store_f64(f->compute, scores->data, i, f->scale * sum);
  }
}

static void make_probabilities(const flex *f, const ig_datum *scores, ig_datum *out) {
  for (int64_t row = 0; row < f->batch * f->heads * f->queries; row++) {
    double most = -INFINITY, sum = 0;
    for (int64_t i = row * f->keys; i < (row + 1) * f->keys; i++) {
      most = fmax(most, ig_load_f64(f->compute, scores->data, i));
    }
    for (int64_t i = row * f->keys; i < (row + 1) * f->keys; i++) {
      sum += exp(ig_load_f64(f->compute, scores->data, i) - most);
    }
    for (int64_t i = row * f->keys; i < (row + 1) * f->keys; i++) {
      ig_store_f64(f->compute, out->data, i,
                   exp(ig_load_f64(f->compute, scores->data, i) - most) / sum);
    }
  }
}

static void make_result(const flex *f, const ig_datum *probabilities, const ig_datum *v,
                        ig_datum *out) {
  for (int64_t i = 0; i < ig_shape_count(&out->shape); i++) {
    int64_t row = i / f->v_size, first = shared_rows(f, row);
    double sum = 0;
    for (int64_t s = 0; s < f->keys; s++) {
      sum += ig_load_f64(f->compute, probabilities->data, row * f->keys + s) *
             ig_load_f64(f->dtype, v->data, (first + s) * f->v_size + i % f->v_size);
    }
    ig_store_f64(f->dtype, out->data, i, sum);
  }
}

/* *datum through the body, where there is one. */
static ig_status modify(ig_interpreter *interpreter, const ig_node *node, const ig_graph *body,
                        ig_datum *const *in, ig_datum **datum) {
  int captured = node->n_inputs - 3;
  ig_datum *given[1 + 64] = {*datum}, *made = NULL;
  if (!body) return IG_OK;
  IG_CHECK(captured < IG_COUNT(given), IG_ERR_UNSUPPORTED, "bodies capture %d values", captured);
  IG_TRY(ig_body_check(node, body, 1 + captured, 1));
  for (int i = 0; i < captured; i++) given[1 + i] = in[3 + i];
  IG_TRY(ig_interpret(interpreter, body, NULL, given, &made));
  bool same = made->kind == IG_DATUM_TENSOR && made->dtype == (*datum)->dtype &&
              ig_shape_equal(&made->shape, &(*datum)->shape);
  ig_datum_release(same ? *datum : made);
  IG_CHECK(same, IG_ERR_SHAPE, "body '%s' changes type or shape", body->name);
  *datum = made;
  return IG_OK;
}

static ig_status attend(ig_interpreter *interpreter, const ig_node *node, const flex *f,
                        ig_datum *const *in, ig_datum **scores, ig_datum **probabilities,
                        ig_datum **out) {
  const flex_attrs *a = IG_ATTRS_OF(flex_attrs, node);
  ig_shape square = IG_SHAPE(f->batch, f->heads, f->queries, f->keys);
  ig_shape y = IG_SHAPE(f->batch, f->heads, f->queries, f->v_size);
  IG_TRY(ig_shape_check(&square, IG_F64));
  IG_TRY(ig_shape_check(&y, IG_F64));
  IG_TRY(ig_datum_tensor(f->compute, &square, scores));
  make_scores(f, in, *scores);
  IG_TRY(modify(interpreter, node, a->score_mod, in, scores));
  IG_TRY(ig_datum_tensor(f->compute, &square, probabilities));
  make_probabilities(f, *scores, *probabilities);
  IG_TRY(modify(interpreter, node, a->prob_mod, in, probabilities));
  IG_TRY(ig_datum_tensor(f->dtype, &y, out));
  make_result(f, *probabilities, in[2], *out);
  return IG_OK;
}

static ig_status interpret(ig_interpreter *interpreter, const ig_node *node, ig_datum *const *in,
                           ig_datum **out) {
  flex f = {0};
  ig_datum *scores = NULL, *probabilities = NULL;
  IG_CHECK(IG_ATTRS_OF(flex_attrs, node)->captured == node->n_inputs - 3, IG_ERR_INPUT,
           "it has %d inputs behind the values, captured is %lld", node->n_inputs - 3,
           (long long)IG_ATTRS_OF(flex_attrs, node)->captured);
  IG_TRY(describe(node, in, &f));
  ig_status status = attend(interpreter, node, &f, in, &scores, &probabilities, &out[0]);
  ig_datum_release(scores);
  ig_datum_release(probabilities);
  return status;
}

const ig_op ig_op_flex_attention = {
    .name = "ai.onnx.preview.FlexAttention",
    .since = 1,
    .n_in = {3, IG_VARIADIC},
    .n_out = {1, 1},
    .attrs = attrs,
    .attrs_size = sizeof(flex_attrs),
    .interpret = interpret,
};
