/* Before quantization: batch normalisation goes into the layer in front of it, since its weights are what is
 * rounded, and what does nothing goes. Arithmetic on weights is in double. What the model computes stays the
 * same up to rounding. */
#include <math.h>
#include <string.h>

#include "engine/passes/rewrite.h"
#include "engine/quantize/apply.h"
#include "engine/quantize/rebuild.h"
#include "engine/quantize/roles.h"

/* Batch normalisation of one channel as y = a x + b. */
typedef struct affine {
  double *a, *b; /* heap */
  int64_t n;
} affine;

typedef struct preparing {
  ig_rebuild r;
  const ig_node **norm; /* by node id: the normalisation that goes into this layer */
} preparing;

/* --- what goes into what ------------------------------------------------------------------------- */

static bool is_known(const ig_value *value) {
  return value && (value->kind == IG_VALUE_PARAM || value->kind == IG_VALUE_STATE ||
                   value->kind == IG_VALUE_CONST);
}

static bool is_inference_norm(const ig_node *node) {
  if (!ig_node_is(node, "BatchNormalization") || node->n_outputs != 1) return false;
  if (ig_attr_int_of(node, "training_mode", 0)) return false;
  for (int i = 1; i < 5; i++) {
    if (!is_known(node->inputs[i]) || node->inputs[i]->dtype != IG_F32) return false;
  }
  return true;
}

/* The layer whose weight alone decides its result, so that a scale of channels can go into it. */
static const ig_node *layer_before(const ig_graph *graph, const ig_node *norm) {
  const ig_value *x = norm->inputs[0];
  ig_quant_layer layer;
  if (x->kind != IG_VALUE_RESULT || ig_value_use_count(graph, x) != 1) return NULL;
  const ig_node *node = x->producer;
  if (ig_quant_role_of(node, &layer) != IG_QUANT_PRODUCT) return NULL;
  const ig_value *weight = node->inputs[1];
  int64_t groups = ig_node_is(node, "ConvTranspose") ? ig_attr_int_of(node, "group", 1) : 1;
  bool matmul = ig_node_is(node, "MatMul");
  if (groups != 1 || weight->n_uses != 1 || (matmul && weight->shape.rank != 2)) return NULL;
  /* Channels are dimension 1 of the normalised tensor: of products, its last only of matrices. */
  if (matmul && (graph->deferred || x->shape.rank != 2)) return NULL;
  const ig_value *bias = node->n_inputs > 2 ? node->inputs[2] : NULL;
  if (bias && (!is_known(bias) || bias->dtype != IG_F32)) return NULL;
  int64_t channels = weight->shape.dims[layer.channel_axis];
  for (int i = 1; i < 5; i++) {
    if (ig_value_count(norm->inputs[i]) != channels) return NULL;
  }
  bool vector = !bias || ig_value_count(bias) == channels || ig_value_count(bias) == 1;
  return vector ? node : NULL;
}

static bool does_nothing(const ig_graph *graph, const ig_node *node) {
  if (ig_node_is(node, "Identity")) return true;
  if (!ig_node_is(node, "Dropout")) return false;
  return node->n_outputs < 2 || ig_value_use_count(graph, node->outputs[1]) == 0;
}

/* --- folding ------------------------------------------------------------------------------------- */

static ig_status affine_of(const ig_rebuild *r, const ig_node *norm, affine *out) {
  double *in[5] = {NULL};
  ig_status status = IG_OK;
  for (int i = 1; i < 5 && status == IG_OK; i++) {
    status = ig_rebuild_numbers(r, norm->inputs[i], &in[i]);
  }
  double epsilon = (double)ig_attr_float_of(norm, "epsilon", 1e-5f);
  *out = (affine){.n = ig_value_count(norm->inputs[1])};
  for (int64_t c = 0; c < out->n && status == IG_OK; c++) {
    in[1][c] /= sqrt(in[4][c] + epsilon);
    in[2][c] -= in[3][c] * in[1][c];
  }
  ig_free(in[3]);
  ig_free(in[4]);
  if (status != IG_OK) {
    ig_free(in[1]);
    ig_free(in[2]);
    return status;
  }
  out->a = in[1];
  out->b = in[2];
  return IG_OK;
}

static ig_status scaled_weight(ig_rebuild *r, const ig_node *node, const affine *f,
                               const double *w, ig_value **out) {
  ig_quant_layer layer;
  ig_quant_role_of(node, &layer);
  const ig_value *old = node->inputs[1];
  int64_t n = ig_value_count(old);
  int64_t inner = ig_shape_span(&old->shape, layer.channel_axis + 1, old->shape.rank);
  double alpha = (double)ig_attr_float_of(node, "alpha", 1);
  float *scaled = ig_alloc((size_t)n * sizeof *scaled);
  IG_CHECK_ALLOC(scaled);
  for (int64_t i = 0; i < n; i++) scaled[i] = (float)(w[i] * alpha * f->a[i / inner % f->n]);
  ig_status status = ig_rebuild_param(r, old->name, IG_F32, &old->shape, scaled, false, out);
  ig_free(scaled);
  return status;
}

static ig_status moved_bias(ig_rebuild *r, const ig_node *node, const affine *f, const char *name,
                            ig_value **out) {
  const ig_value *old = node->n_inputs > 2 ? node->inputs[2] : NULL;
  double beta = (double)ig_attr_float_of(node, "beta", 1);
  double *bias = NULL;
  if (old) IG_TRY(ig_rebuild_numbers(r, old, &bias));
  int64_t given = old ? ig_value_count(old) : 0;
  float *moved = ig_alloc((size_t)f->n * sizeof *moved);
  ig_status status = moved ? IG_OK : ig_fail(IG_ERR_MEMORY, "'%s': out of memory", name);
  for (int64_t c = 0; c < f->n && moved; c++) {
    double b = given ? beta * bias[given == 1 ? 0 : c] : 0;
    moved[c] = (float)(b * f->a[c] + f->b[c]);
  }
  const ig_shape shape = {.rank = 1, .dims = {f->n}};
  if (status == IG_OK) status = ig_rebuild_param(r, name, IG_F32, &shape, moved, false, out);
  ig_free(bias);
  ig_free(moved);
  return status;
}

/* Conv, ConvTranspose and Gemm take the bias themselves; MatMul has it added. */
static ig_status emit_folded(ig_rebuild *r, const ig_node *node, const ig_node *norm, ig_value *x,
                             ig_value *weight, ig_value *bias) {
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(node, attrs);
  bool matmul = ig_node_is(node, "MatMul");
  if (ig_node_is(node, "Gemm")) {
    ig_attr_put(attrs, &n_attrs, IG_FLOAT("alpha", 1));
    ig_attr_put(attrs, &n_attrs, IG_FLOAT("beta", 1));
  }
  const char *result[] = {matmul ? node->outputs[0]->name : norm->outputs[0]->name};
  ig_value *in[] = {x, weight, bias};
  ig_node *made = ig_graph_node_named(r->graph, node->op->name, node->name, matmul ? 2 : 3, in,
                                      n_attrs, attrs, 1, result);
  ig_value *y = made ? made->outputs[0] : NULL;
  if (matmul && y) y = ig_op1(r->graph, "Add", norm->name, IG_INS(y, bias), IG_NO_ATTRS);
  IG_TRY(ig_graph_status(r->graph));
  r->map[node->outputs[0]->id] = y;
  r->map[norm->outputs[0]->id] = y;
  return IG_OK;
}

static ig_status bias_name(const ig_rebuild *r, const ig_node *node, const char **out) {
  const ig_value *bias = node->n_inputs > 2 ? node->inputs[2] : NULL;
  const char *name = bias ? bias->name : ig_arena_format(r->graph->arena, "%s.bias", node->name);
  IG_CHECK_ALLOC(name);
  *out = name;
  return IG_OK;
}

static ig_status fold(ig_rebuild *r, const ig_node *node, const ig_node *norm) {
  ig_value *x, *weight, *bias;
  affine f;
  double *w = NULL;
  const char *name = NULL;
  IG_TRY(ig_rebuild_value(r, node->inputs[0], &x));
  IG_TRY(bias_name(r, node, &name));
  IG_TRY(affine_of(r, norm, &f));
  ig_status status = ig_rebuild_numbers(r, node->inputs[1], &w);
  if (status == IG_OK) status = scaled_weight(r, node, &f, w, &weight);
  if (status == IG_OK) status = moved_bias(r, node, &f, name, &bias);
  if (status == IG_OK) status = emit_folded(r, node, norm, x, weight, bias);
  ig_free(w);
  ig_free(f.a);
  ig_free(f.b);
  return status;
}

/* --- the graph ----------------------------------------------------------------------------------- */

/* A matrix or filter that an exporter left as a constant is a parameter like any other. */
static ig_status promote(ig_rebuild *r, const ig_node *node) {
  static const char *const products[] = {"Conv", "ConvTranspose", "Gemm", "MatMul", NULL};
  bool product = false;
  for (int i = 0; products[i]; i++) product = product || ig_node_is(node, products[i]);
  const ig_value *w = product ? node->inputs[1] : NULL;
  if (!ig_value_is_const(w) || w->dtype != IG_F32 || w->shape.rank < 2 || r->map[w->id]) return IG_OK;
  if (ig_value_count(w) == 0) return IG_OK;
  return ig_rebuild_param(r, w->name, IG_F32, &w->shape, w->data, false, &r->map[w->id]);
}

static ig_status prepare_nodes(preparing *p) {
  const ig_graph *graph = p->r.from;
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    if (is_inference_norm(node)) {
      const ig_node *layer = layer_before(graph, node);
      if (layer) p->norm[layer->id] = node;
    }
  }
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    if (does_nothing(graph, node)) {
      IG_TRY(ig_rebuild_value(&p->r, node->inputs[0], &p->r.map[node->outputs[0]->id]));
    } else if (p->norm[i]) {
      IG_TRY(fold(&p->r, node, p->norm[i]));
    } else if (!is_inference_norm(node) || !p->r.map[node->outputs[0]->id]) {
      IG_TRY(promote(&p->r, node));
      IG_TRY(ig_rebuild_copy(&p->r, node));
    }
  }
  return IG_OK;
}

/* Patterns that exporters take apart; their matchers need to know shapes. */
static ig_status recognise(ig_graph *graph) {
  static const char *const passes[] = {"recognise_gelu", "recognise_norm", NULL};
  const ig_pass_options options = {.device = IG_CPU, .compute = IG_F32};
  if (graph->deferred) return IG_OK;
  IG_TRY(ig_passes_run(graph, passes, &options));
  IG_TRY(ig_graph_sort(graph));
  return ig_graph_compact(graph, false);
}

bool ig_graph_is_quantized(const ig_graph *graph, const char **node) {
  static const char *const names[] = {
      "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger",
      "ConvInteger",    "QLinearConv",      "QLinearMatMul",         NULL};
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    if (!ig_node_is_live(graph->nodes[i])) continue;
    for (int k = 0; names[k]; k++) {
      if (!ig_node_is(graph->nodes[i], names[k])) continue;
      *node = graph->nodes[i]->name;
      return true;
    }
  }
  return false;
}

static ig_status finish(ig_rebuild *r, ig_graph **out, ig_store **out_store) {
  ig_graph *graph;
  ig_store *store;
  IG_TRY(ig_rebuild_finish(r, &graph, &store));
  ig_status status = recognise(graph);
  if (status != IG_OK) {
    ig_graph_destroy(graph);
    ig_store_destroy(store);
    return status;
  }
  *out = graph;
  *out_store = store;
  return IG_OK;
}

ig_status ig_quantize_prepare(const ig_graph *graph, const ig_store *store, ig_graph **out,
                              ig_store **out_store) {
  const char *node;
  IG_CHECK(!ig_graph_is_quantized(graph, &node), IG_ERR_INPUT,
           "the model is quantized already: node '%s'", node);
  preparing p = {.norm = ig_alloc_zero((size_t)graph->n_nodes + 1, sizeof *p.norm)};
  IG_CHECK_ALLOC(p.norm);
  ig_status status = ig_rebuild_start(graph, store, &p.r);
  if (status == IG_OK) {
    status = prepare_nodes(&p);
    if (status == IG_OK) status = finish(&p.r, out, out_store);
    ig_rebuild_release(&p.r);
  }
  ig_free(p.norm);
  return status;
}
