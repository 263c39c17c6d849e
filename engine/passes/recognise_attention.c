/* Softmax(scale q k' + mask) v in pieces, as exporters write it, becomes Attention, which never holds the
 * scores of all queries and keys at once. q, k and v are [batch, heads, tokens, size]; the scale may stand
 * on q, on k' or on the scores; PyTorch's guard against rows without a visible key (0 for NaN) is what
 * Attention gives anyway. A mask that depends on a parameter is left alone in training: Attention has no
 * gradient for it. Before autodiff. */
#include <math.h>

#include "engine/passes/rewrite.h"

typedef struct pattern {
  ig_node *last; /* the product with v */
  ig_value *q, *k_transposed, *v, *mask;
  double scale;
} pattern;

/* By value id, of the values there were at first: what depends on something that training changes. */
typedef struct marks {
  bool *learned;
  int32_t n;
} marks;

/* Takes factors of one number off `value`, which nothing else reads. */
static ig_value *unscaled(const ig_graph *graph, ig_value *value, double *scale) {
  for (;;) {
    double factor;
    ig_node *mul = ig_sole_producer(graph, value, "Mul"), *div = ig_sole_producer(graph, value, "Div");
    ig_node *node = mul ? mul : div;
    if (!node) return value;
    int data = mul && ig_value_is_const(mul->inputs[0]) ? 1 : 0;
    const ig_value *inside = node->inputs[data];
    if (!ig_const_splat(node->inputs[1 - data], &factor) || factor == 0) return value;
    if (!ig_shape_equal(&inside->shape, &value->shape)) return value;
    *scale = mul ? *scale * factor : *scale / factor;
    value = node->inputs[data];
  }
}

/* Softmax's result, or what stands for it behind Where(IsNaN(p), 0, p). */
static ig_value *guarded(const ig_graph *graph, ig_value *p) {
  if (p->n_uses != 2 || ig_value_use_count(graph, p) != 2) return p;
  for (int i = 0; i < 2; i++) {
    ig_node *test = p->uses[i].node, *where = p->uses[1 - i].node;
    double otherwise;
    if (!ig_node_is(test, "IsNaN") || !ig_node_is(where, "Where")) continue;
    if (where->inputs[0] == test->outputs[0] && where->inputs[2] == p &&
        ig_value_use_count(graph, test->outputs[0]) == 1 &&
        ig_const_splat(where->inputs[1], &otherwise) && otherwise == 0 &&
        ig_shape_equal(&where->outputs[0]->shape, &p->shape)) {
      return where->outputs[0];
    }
  }
  return p;
}

static bool is_mask(const ig_value *mask, const ig_value *scores, const ig_value *sum,
                    const marks *m) {
  return mask->dtype == sum->dtype && ig_shape_equal(&scores->shape, &sum->shape) &&
         mask->shape.rank >= 1 && mask->shape.rank <= 4 &&
         mask->shape.dims[mask->shape.rank - 1] == scores->shape.dims[3] &&
         mask->id < m->n && !m->learned[mask->id];
}

static bool same_heads(const ig_value *a, const ig_value *b) {
  return a->shape.rank == 4 && b->shape.rank == 4 && a->dtype == b->dtype &&
         a->shape.dims[0] == b->shape.dims[0] && a->shape.dims[1] == b->shape.dims[1];
}

static bool read_pattern(const ig_graph *graph, ig_node *softmax, const marks *m, pattern *out) {
  int64_t axis = ig_attr_int_of(softmax, "axis", -1);
  ig_value *weights = guarded(graph, softmax->outputs[0]), *scores = softmax->inputs[0];
  *out = (pattern){.last = ig_sole_user(graph, weights), .scale = 1};
  if (scores->shape.rank != 4 || (axis != -1 && axis != 3)) return false;
  if (!out->last || !ig_node_is(out->last, "MatMul") || out->last->inputs[0] != weights) return false;
  ig_node *add = ig_sole_producer(graph, scores, "Add");
  for (int i = 0; i < 2 && add && !out->mask; i++) {
    double none = 1;
    ig_value *inside = unscaled(graph, add->inputs[i], &none);
    if (!ig_sole_producer(graph, inside, "MatMul")) continue;
    if (!is_mask(add->inputs[1 - i], add->inputs[i], scores, m)) continue;
    out->mask = add->inputs[1 - i];
    scores = add->inputs[i];
  }
  scores = unscaled(graph, scores, &out->scale);
  ig_node *product = ig_sole_producer(graph, scores, "MatMul");
  if (!product) return false;
  out->q = unscaled(graph, product->inputs[0], &out->scale);
  out->k_transposed = unscaled(graph, product->inputs[1], &out->scale);
  out->v = out->last->inputs[1];
  return out->scale > 0 && isfinite((float)out->scale) && (float)out->scale > 0 &&
         ig_dtype_is_float(out->q->dtype) && out->q->shape.dims[out->q->shape.rank - 1] > 0 &&
         same_heads(out->q, out->k_transposed) && same_heads(out->q, out->v);
}

/* The keys whose last two dimensions were exchanged, in one step or as three-dimensional batches between
 * two Reshapes; otherwise exchanged back. The pass simplify joins that with what it meets. */
static ig_value *keys_of(ig_graph *graph, ig_value *transposed) {
  static const int64_t back[] = {0, 1, 3, 2};
  const ig_shape *t = &transposed->shape;
  const ig_node *outer = transposed->producer;
  const ig_node *swap = ig_node_is(outer, "Reshape") ? outer->inputs[0]->producer : NULL;
  const ig_node *inner = ig_node_is(swap, "Transpose") ? swap->inputs[0]->producer : NULL;
  ig_value *keys = ig_node_is(inner, "Reshape") ? inner->inputs[0] : NULL;
  if (keys && swap->inputs[0]->shape.rank == 3) {
    const ig_shape *in = &swap->inputs[0]->shape, *out = &swap->outputs[0]->shape;
    ig_shape want = IG_SHAPE(t->dims[0], t->dims[1], t->dims[3], t->dims[2]);
    ig_attr list[IG_MOST_ATTRS];
    bool swaps = ig_attr_list(swap, list) == 1 && list[0].type == IG_ATTR_INTS && list[0].ints.n == 3 &&
                 list[0].ints.v[0] == 0 && list[0].ints.v[1] == 2;
    if (swaps && ig_shape_equal(&keys->shape, &want) && in->dims[0] == t->dims[0] * t->dims[1] &&
        out->dims[1] == t->dims[2] && out->dims[2] == t->dims[3]) {
      return keys;
    }
  }
  return ig_op1(graph, "Transpose", NULL, IG_INS(transposed), IG_ATTRS(IG_INTS("perm", 4, back)));
}

/* Heads of keys or values before each was repeated for several heads of queries, which Attention does itself: the
 * five dimensions [batch, heads, times, tokens, size] of an Expand, read as four again. */
static ig_value *unrepeated(ig_value *value) {
  const ig_node *flat = value->producer;
  const ig_node *expand = ig_node_is(flat, "Reshape") ? flat->inputs[0]->producer : NULL;
  const ig_node *apart = ig_node_is(expand, "Expand") ? expand->inputs[0]->producer : NULL;
  if (!ig_node_is(apart, "Unsqueeze") && !ig_node_is(apart, "Reshape")) return value;
  ig_value *before = apart->inputs[0];
  const ig_shape *wide = &expand->outputs[0]->shape, *b = &before->shape;
  if (b->rank != 4 || wide->rank != 5 || value->shape.rank != 4) return value;
  ig_shape want = IG_SHAPE(b->dims[0], b->dims[1], 1, b->dims[2], b->dims[3]);
  if (!ig_shape_equal(&expand->inputs[0]->shape, &want)) return value;
  want.dims[2] = wide->dims[2];
  bool heads = ig_shape_equal(wide, &want) && value->shape.dims[1] == b->dims[1] * wide->dims[2] &&
               value->shape.dims[0] == b->dims[0] && value->shape.dims[2] == b->dims[2];
  return heads ? before : value;
}

static ig_status recognise(ig_graph *graph, const pattern *p) {
  ig_value *keys = keys_of(graph, p->k_transposed), *values = p->v;
  if (keys && unrepeated(keys)->shape.dims[1] == unrepeated(values)->shape.dims[1]) {
    keys = unrepeated(keys);
    values = unrepeated(values);
  }
  ig_value *in[] = {p->q, keys, values, p->mask};
  ig_node *made = ig_graph_node(graph, "Attention", p->last->name, p->mask ? 4 : 3, in,
                                IG_ATTRS(IG_FLOAT("scale", (float)p->scale)), 1);
  IG_TRY(ig_graph_status(graph));
  return ig_node_replace(graph, p->last, made, 1);
}

static void mark_learned(const ig_graph *graph, bool *learned) {
  for (int32_t i = 0; i < graph->n_values; i++) {
    const ig_value *value = graph->values[i];
    learned[value->id] = value->kind == IG_VALUE_PARAM && !value->frozen;
  }
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    bool any = false;
    for (int k = 0; k < node->n_inputs; k++)
      any = any || (node->inputs[k] && learned[node->inputs[k]->id]);
    for (int k = 0; k < node->n_outputs; k++) learned[node->outputs[k]->id] = any;
  }
}

static ig_status recognise_attention_run(ig_graph *graph, const ig_pass_options *options,
                                         int *changes) {
  marks m = {ig_alloc_zero((size_t)graph->n_values + 1, sizeof(bool)), graph->n_values};
  IG_CHECK(m.learned, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  if (options->training) mark_learned(graph, m.learned);
  int32_t n_nodes = graph->n_nodes;
  ig_status status = IG_OK;
  for (int32_t i = 0; i < n_nodes && status == IG_OK; i++) {
    ig_node *node = graph->nodes[i];
    pattern found;
    if (!ig_node_is_live(node) || !ig_node_is(node, "Softmax")) continue;
    if (!read_pattern(graph, node, &m, &found)) continue;
    status = recognise(graph, &found);
    (*changes)++;
  }
  ig_free(m.learned);
  return status;
}

const ig_pass ig_pass_recognise_attention = {
    .name = "recognise_attention",
    .what = "scaled dot-product attention in pieces as one operator",
    .run = recognise_attention_run,
};
