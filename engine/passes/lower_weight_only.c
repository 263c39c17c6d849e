/* Weights that are quantized alone: DequantizeLinear of fixed i8 or i4 codes before a matrix product becomes
 * part of the product, ingot.WeightOnlyMatMul, and before a Gather part of the Gather, so that the
 * weights are never f32 as a whole. Codes that several nodes read (tied embeddings) stay one tensor. Rows
 * stay f32 unless the caller says that they may be rounded (ig_pass_options.round_rows). */
#include "engine/passes/rewrite.h"

/* Codes and scales, and the order in which a product reads them. */
typedef struct source {
  ig_node *dequantize;
  bool transposed;
  int axis; /* along which scales differ; -1 where there is one */
  int64_t block;
} source;

static bool is_fixed(const ig_value *value) {
  return value->kind == IG_VALUE_PARAM || value->kind == IG_VALUE_CONST;
}

/* A DequantizeLinear of a fixed matrix around 0 with f32 scales, seen through a transposition where
 * `through` says so. */
static bool find_source(const ig_value *value, bool through, source *out) {
  ig_node *node = value->kind == IG_VALUE_RESULT ? value->producer : NULL;
  double zero = 0;
  *out = (source){0};
  if (through && ig_node_is(node, "Transpose") && value->shape.rank == 2) {
    const ig_value *inner = node->inputs[0]; /* joined and in order, it would be gone by now */
    out->transposed = true;
    node = inner->kind == IG_VALUE_RESULT ? inner->producer : NULL;
  }
  if (!ig_node_is(node, "DequantizeLinear") || node->outputs[0]->dtype != IG_F32) return false;
  const ig_value *codes = node->inputs[0], *scale = node->inputs[1];
  if (codes->dtype != IG_I8 && codes->dtype != IG_I4) return false;
  if (!is_fixed(codes) || !is_fixed(scale) || codes->shape.rank != 2) return false;
  if (scale->dtype != IG_F32) return false;
  if (node->n_inputs > 2 && node->inputs[2]) {
    if (!ig_const_splat(node->inputs[2], &zero) || zero != 0) return false;
  }
  out->dequantize = node;
  out->block = ig_attr_int_of(node, "block_size", 0);
  out->axis = ig_shape_axis(&codes->shape, ig_attr_int_of(node, "axis", 1));
  if (ig_value_count(scale) == 1 && !out->block) out->axis = -1;
  return true;
}

/* Whether c can be the bias of a product with n columns. */
static bool is_bias(const ig_value *c, int64_t n) {
  return c->dtype == IG_F32 && c->shape.rank > 0 && ig_value_count(c) == n &&
         c->shape.dims[c->shape.rank - 1] == n;
}

static ig_status lower_product(ig_graph *graph, ig_node *node, int64_t round_rows, int *changes) {
  source w;
  bool gemm = ig_node_is(node, "Gemm");
  ig_value *c = node->n_inputs > 2 ? node->inputs[2] : NULL, *x = node->inputs[0];
  if (x->dtype != IG_F32 || x->shape.rank < 1 || !find_source(node->inputs[1], true, &w)) {
    return IG_OK;
  }
  /* A product of two quantized operands is for integers. */
  if (x->kind == IG_VALUE_RESULT && ig_node_is(x->producer, "DequantizeLinear")) return IG_OK;
  if (ig_attr_int_of(node, gemm ? "transA" : "trans_a", 0)) return IG_OK;
  if (ig_attr_float_of(node, "alpha", 1) != 1) return IG_OK;
  if (ig_attr_int_of(node, gemm ? "transB" : "trans_b", 0)) w.transposed = !w.transposed;
  int sum_axis = w.transposed ? 1 : 0;
  if (w.axis >= 0 && (w.axis == sum_axis) != (w.block != 0)) return IG_OK;
  int64_t n = node->outputs[0]->shape.dims[node->outputs[0]->shape.rank - 1];
  if (c && (ig_attr_float_of(node, "beta", 1) != 1 || !is_bias(c, n))) return IG_OK;
  int64_t x_block = round_rows && w.block % round_rows == 0 ? round_rows : 0;
  ig_node *lowered = ig_graph_node(
      graph, "ingot.WeightOnlyMatMul", node->name,
      IG_INS(x, w.dequantize->inputs[0], w.dequantize->inputs[1], c),
      IG_ATTRS(IG_INT("trans_b", w.transposed), IG_INT("block_size", w.block),
               IG_INT("x_block", x_block),
               IG_STRING("activation", ig_attr_string_of(node, "activation", "")),
               IG_FLOAT("activation_alpha", ig_attr_float_of(node, "activation_alpha", 0)),
               IG_FLOAT("activation_beta", ig_attr_float_of(node, "activation_beta", 0))),
      1);
  IG_TRY(ig_graph_status(graph));
  ++*changes;
  return ig_node_replace(graph, node, lowered, 1);
}

static ig_status lower_gather(ig_graph *graph, ig_node *node, int *changes) {
  source table;
  const ig_value *data = node->inputs[0];
  if (ig_shape_axis(&data->shape, ig_attr_int_of(node, "axis", 0)) != 0) return IG_OK;
  if (!find_source(data, false, &table)) return IG_OK;
  ig_node *lowered = ig_graph_node(
      graph, "ingot.GatherDequantized", node->name,
      IG_INS(table.dequantize->inputs[0], table.dequantize->inputs[1], node->inputs[1]),
      IG_ATTRS(IG_INT("axis", table.axis < 0 ? 1 : table.axis), IG_INT("block_size", table.block)),
      1);
  IG_TRY(ig_graph_status(graph));
  ++*changes;
  return ig_node_replace(graph, node, lowered, 1);
}

static ig_status lower_weight_only_run(ig_graph *graph, const ig_pass_options *options,
                                       int *changes) {
  if (options->device != IG_CPU || options->training) return IG_OK;
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (!ig_node_is_live(node)) continue;
    if (ig_node_is(node, "MatMul") || ig_node_is(node, "Gemm") ||
        ig_node_is(node, "ingot.FusedMatMul")) {
      IG_TRY(lower_product(graph, node, options->round_rows, changes));
    } else if (ig_node_is(node, "Gather")) {
      IG_TRY(lower_gather(graph, node, changes));
    }
  }
  return IG_OK;
}

const ig_pass ig_pass_lower_weight_only = {
    .name = "lower_weight_only",
    .what = "products with weights that are quantized alone, and rows of quantized tables",
    .run = lower_weight_only_run,
};
