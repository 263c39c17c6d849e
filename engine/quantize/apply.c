/* A recipe applied, node by node. A value may be there in three ways: in f32, dequantized (read by nodes on
 * codes; the only way, once a node on codes has made it, so that no f32 tensor lies between two of them), and
 * in 16 bits. Each is made when somebody first asks for it. */
#include "engine/quantize/apply.h"

#include <math.h>
#include <string.h>

#include "engine/passes/rewrite.h"
#include "engine/quantize/apply_parts.h"

#define F8E4M3_MOST 448.0f

/* --- activations --------------------------------------------------------------------------------- */

ig_status ig_apply_value(ig_applying *a, const ig_value *old, ig_value **out) {
  if (old && !a->r.map[old->id] && a->half[old->id]) {
    a->r.map[old->id] = ig_cast(a->r.graph, a->half[old->id], IG_F32);
    IG_TRY(ig_graph_status(a->r.graph));
  }
  return ig_rebuild_value(&a->r, old, out);
}

/* In 16 bits: as a 16-bit node made it, or cast. */
static ig_status half_value(ig_applying *a, const ig_value *old, ig_dtype dtype, ig_value **out) {
  bool leaf = old->kind == IG_VALUE_PARAM || old->kind == IG_VALUE_CONST;
  if (leaf && old->dtype != IG_F32) return ig_rebuild_value(&a->r, old, out);
  if (leaf) return ig_apply_half_leaf(a, old, dtype, out);
  ig_value *half = a->half[old->id];
  if (!half || half->dtype != dtype) {
    ig_value *wide;
    IG_TRY(ig_apply_value(a, old, &wide));
    half = ig_op1(a->r.graph, "Cast", NULL, IG_INS(wide),
                  IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(dtype))));
    IG_TRY(ig_graph_status(a->r.graph));
    a->half[old->id] = half;
  }
  *out = half;
  return IG_OK;
}

/* Behind data movement, the scale of what was moved. */
static ig_status codes_of(const ig_applying *a, const ig_value *value, bool f8, ig_codes_of *out) {
  while (value->kind == IG_VALUE_RESULT && a->codes.coded[value->producer->id] &&
         a->codes.role[value->producer->id] == IG_QUANT_MOVE) {
    value = value->producer->inputs[0];
  }
  const ig_quant_settings *settings = &a->recipe->settings;
  const ig_seen *seen = a->calibration ? ig_calibration_find(a->calibration, value->name) : NULL;
  ig_range range;
  IG_CHECK(seen, IG_ERR_INPUT, "tensor '%s' was never seen in calibration", value->name);
  IG_TRY(ig_range_of(seen, settings, &range));
  *out = (ig_codes_of){.is_signed = settings->symmetric, .f8 = f8};
  if (f8) {
    float most = fmaxf(fabsf(range.low), fabsf(range.high));
    out->scale = most > 0 ? fmaxf(most / F8E4M3_MOST, 1e-30f) : 1;
    return IG_OK;
  }
  ig_range_quantize(range, settings->symmetric, &out->scale, &out->zero);
  return IG_OK;
}

static ig_value *zero_point(ig_graph *g, const ig_codes_of *codes) {
  const int8_t zero_i8 = (int8_t)codes->zero;
  const uint8_t zero_u8 = (uint8_t)codes->zero, zero_f8 = 0;
  if (codes->f8) return ig_graph_const(g, NULL, IG_F8E4M3, IG_SCALAR, &zero_f8);
  if (codes->is_signed) return ig_graph_const(g, NULL, IG_I8, IG_SCALAR, &zero_i8);
  return ig_graph_const(g, NULL, IG_U8, IG_SCALAR, &zero_u8);
}

/* The value through QuantizeLinear and DequantizeLinear. */
static ig_status dequantized(ig_applying *a, const ig_value *old, bool f8, ig_value **out) {
  ig_graph *g = a->r.graph;
  if (!a->dequantized[old->id]) {
    ig_codes_of codes;
    ig_value *x;
    IG_TRY(ig_apply_value(a, old, &x));
    IG_TRY(codes_of(a, old, f8, &codes));
    ig_value *scale = ig_graph_const_f32(g, codes.scale), *zero = zero_point(g, &codes);
    const char *q = ig_arena_format(g->arena, "%s.quantize", old->name);
    const char *dq = ig_arena_format(g->arena, "%s.dequantize", old->name);
    x = ig_op1(g, "QuantizeLinear", q, IG_INS(x, scale, zero), IG_NO_ATTRS);
    x = ig_op1(g, "DequantizeLinear", dq, IG_INS(x, scale, zero), IG_NO_ATTRS);
    IG_TRY(ig_graph_status(g));
    a->dequantized[old->id] = x;
  }
  *out = a->dequantized[old->id];
  return IG_OK;
}

/* --- nodes --------------------------------------------------------------------------------------- */

static ig_status inputs_of(ig_applying *a, const ig_node *node, ig_value ***out) {
  ig_value **in = ig_arena_alloc(a->r.graph->arena, ((size_t)node->n_inputs + 1) * sizeof *in);
  IG_CHECK_ALLOC(in);
  for (int i = 0; i < node->n_inputs; i++) in[i] = NULL;
  *out = in;
  return IG_OK;
}

static ig_status plain_node(ig_applying *a, const ig_node *node) {
  ig_value **in = NULL;
  IG_TRY(inputs_of(a, node, &in));
  for (int i = 0; i < node->n_inputs; i++) IG_TRY(ig_apply_value(a, node->inputs[i], &in[i]));
  return ig_rebuild_node(&a->r, node, in, NULL);
}

/* A weight in few bits, and all else in f32. */
static ig_status weights_node(ig_applying *a, const ig_node *node, const ig_quant_layer *layer,
                              ig_quant_format format) {
  ig_value **in = NULL;
  ig_narrow_leaf *leaf;
  int w = layer->weight_input;
  IG_TRY(inputs_of(a, node, &in));
  for (int i = 0; i < node->n_inputs; i++) {
    if (i != w) IG_TRY(ig_apply_value(a, node->inputs[i], &in[i]));
  }
  IG_TRY(ig_apply_weight(a, layer, node->inputs[w], format, &leaf));
  IG_TRY(ig_apply_dequantized(a, layer, leaf, &in[w]));
  return ig_rebuild_node(&a->r, node, in, NULL);
}

/* Gemm's alpha and beta come after what is rounded, so that a bias is no multiple of both scales then. */
static bool takes_integer_bias(const ig_node *node) {
  if (node->n_inputs < 3 || !node->inputs[2]) return false;
  bool leaf = node->inputs[2]->kind == IG_VALUE_PARAM || node->inputs[2]->kind == IG_VALUE_CONST;
  bool plain = ig_attr_float_of(node, "alpha", 1) == 1 && ig_attr_float_of(node, "beta", 1) == 1;
  return leaf && plain && node->inputs[2]->dtype == IG_F32;
}

static ig_status product_on_codes(ig_applying *a, const ig_node *node, const ig_quant_layer *layer) {
  bool f8 = layer->format == IG_QUANT_FP8;
  ig_value **in = NULL;
  ig_narrow_leaf *leaf;
  ig_codes_of codes;
  IG_TRY(inputs_of(a, node, &in));
  IG_TRY(dequantized(a, node->inputs[0], f8, &in[0]));
  IG_TRY(codes_of(a, node->inputs[0], f8, &codes));
  IG_TRY(ig_apply_weight(a, layer, node->inputs[1], layer->format, &leaf));
  IG_TRY(ig_apply_dequantized(a, layer, leaf, &in[1]));
  if (takes_integer_bias(node)) {
    IG_TRY(ig_apply_bias(a, node->inputs[2], codes.scale, leaf, &in[2]));
  } else if (node->n_inputs > 2) {
    IG_TRY(ig_apply_value(a, node->inputs[2], &in[2]));
  }
  return ig_rebuild_node(&a->r, node, in, NULL);
}

static ig_status other_on_codes(ig_applying *a, const ig_node *node, bool f8) {
  ig_value **in = NULL;
  int n = ig_quant_activations(node);
  IG_TRY(inputs_of(a, node, &in));
  for (int i = 0; i < node->n_inputs; i++) {
    if (i < n) IG_TRY(dequantized(a, node->inputs[i], f8, &in[i]));
    else IG_TRY(ig_apply_value(a, node->inputs[i], &in[i]));
  }
  return ig_rebuild_node(&a->r, node, in, NULL);
}

/* What nodes on codes made is read dequantized by all. */
static ig_status requantize_results(ig_applying *a, const ig_node *node, bool f8) {
  for (int i = 0; i < node->n_outputs; i++) {
    const ig_value *result = node->outputs[i];
    if (!a->codes.quantized[result->id]) continue;
    ig_value *x;
    IG_TRY(dequantized(a, result, f8, &x));
    a->r.map[result->id] = x;
  }
  return IG_OK;
}

static ig_status half_node(ig_applying *a, const ig_node *node, ig_dtype dtype) {
  ig_value **in = NULL;
  IG_TRY(inputs_of(a, node, &in));
  for (int i = 0; i < node->n_inputs; i++) {
    const ig_value *old = node->inputs[i];
    bool floats = old && (old->kind == IG_VALUE_PARAM || old->kind == IG_VALUE_CONST
                              ? old->dtype == IG_F32
                              : i < ig_quant_activations(node));
    if (floats) IG_TRY(half_value(a, old, dtype, &in[i]));
    else IG_TRY(ig_apply_value(a, old, &in[i]));
  }
  IG_TRY(ig_rebuild_node(&a->r, node, in, NULL));
  for (int i = 0; i < node->n_outputs; i++) {
    int32_t id = node->outputs[i]->id;
    a->half[id] = a->r.map[id];
    a->r.map[id] = NULL;
  }
  return IG_OK;
}

/* Weights in 16 bits, and arithmetic in f32. */
static ig_status stored_node(ig_applying *a, const ig_node *node, const ig_quant_layer *layer) {
  ig_value **in = NULL, *half;
  int w = layer->weight_input;
  IG_TRY(inputs_of(a, node, &in));
  for (int i = 0; i < node->n_inputs; i++) {
    if (i != w) IG_TRY(ig_apply_value(a, node->inputs[i], &in[i]));
  }
  ig_dtype dtype = layer->format == IG_QUANT_F16 ? IG_F16 : IG_BF16;
  IG_TRY(ig_apply_half_leaf(a, node->inputs[w], dtype, &half));
  in[w] = ig_cast(a->r.graph, half, IG_F32);
  IG_TRY(ig_graph_status(a->r.graph));
  return ig_rebuild_node(&a->r, node, in, NULL);
}

static ig_status layer_node(ig_applying *a, const ig_node *node, const ig_quant_layer *layer) {
  ig_quant_role role = a->codes.role[node->id];
  switch (layer->format) {
  case IG_QUANT_INT8_WEIGHTS:
  case IG_QUANT_INT4_WEIGHTS: return weights_node(a, node, layer, layer->format);
  case IG_QUANT_INT8_DYNAMIC:
    if (role == IG_QUANT_TABLE) return weights_node(a, node, layer, IG_QUANT_INT8);
    return ig_apply_dynamic(a, node, layer);
  case IG_QUANT_INT8:
  case IG_QUANT_FP8:
    if (role == IG_QUANT_TABLE) return weights_node(a, node, layer, layer->format);
    return product_on_codes(a, node, layer);
  case IG_QUANT_F16:
  case IG_QUANT_BF16: return stored_node(a, node, layer);
  default: return plain_node(a, node);
  }
}

/* The layer that decides the node's format: its own, or of the computation that it ends. */
static const ig_quant_layer *deciding(const ig_quant_flow *flow, const ig_node *node) {
  const ig_node *root = flow->root[node->id];
  return flow->layer[root ? root->id : node->id];
}

static ig_status apply_node(ig_applying *a, const ig_node *node) {
  const ig_quant_layer *layer = a->codes.layer[node->id];
  const ig_node *root = a->codes.root[node->id];
  bool halves = !a->recipe->settings.store_only;
  if (halves && (a->halves.coded[node->id] || a->halves.root[node->id])) {
    const ig_quant_layer *decides = deciding(&a->halves, node);
    return half_node(a, node, decides->format == IG_QUANT_F16 ? IG_F16 : IG_BF16);
  }
  bool on_codes = a->codes.coded[node->id];
  bool f8 = a->recipe->settings.format == IG_QUANT_FP8;
  if (layer && layer->weight) {
    IG_TRY(layer_node(a, node, layer));
  } else {
    IG_TRY(on_codes ? other_on_codes(a, node, f8) : plain_node(a, node));
  }
  return on_codes || root ? requantize_results(a, node, f8) : IG_OK;
}

static ig_status apply_all(ig_applying *a) {
  const ig_graph *graph = a->r.from;
  size_t n = (size_t)graph->n_values + 1;
  IG_TRY(ig_quant_flow_create(graph, a->recipe, IG_QUANT_CODES, &a->codes));
  IG_TRY(ig_quant_flow_create(graph, a->recipe, IG_QUANT_HALVES, &a->halves));
  a->dequantized = ig_alloc_zero(n, sizeof *a->dequantized);
  a->half = ig_alloc_zero(n, sizeof *a->half);
  IG_CHECK(a->dequantized && a->half, IG_ERR_MEMORY, "graph '%s': out of memory", graph->name);
  for (int32_t i = 0; i < graph->n_nodes; i++) {
    const ig_node *node = graph->nodes[i];
    ig_status status = apply_node(a, node);
    if (status != IG_OK) return ig_fail_in(status, "quantizing '%s'", node->name);
  }
  for (int32_t i = 0; i < graph->n_outputs; i++) {
    ig_value *wide;
    IG_TRY(ig_apply_value(a, graph->outputs[i], &wide));
  }
  return IG_OK;
}

ig_status ig_quantize_apply(const ig_graph *prepared, const ig_store *store, const ig_recipe *recipe,
                            const ig_calibration *calibration, ig_graph **out,
                            ig_store **out_store) {
  ig_applying a = {.recipe = recipe, .calibration = calibration};
  IG_TRY(ig_rebuild_start(prepared, store, &a.r));
  ig_status status = apply_all(&a);
  if (status == IG_OK) status = ig_rebuild_finish(&a.r, out, out_store);
  ig_rebuild_release(&a.r);
  ig_quant_flow_release(&a.codes);
  ig_quant_flow_release(&a.halves);
  ig_free(a.dequantized);
  ig_free(a.half);
  return status;
}
