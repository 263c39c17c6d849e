/* Products whose activations are quantized by the range of each run: DynamicQuantizeLinear, a product of
 * integers, and the product of both scales; the order of the last two multiplications is the one by which
 * ONNX Runtime knows the pattern. */
#include <string.h>

#include "engine/passes/rewrite.h"
#include "engine/quantize/apply_parts.h"

static ig_value *two(ig_graph *g, const char *op, ig_value *x, ig_value *y) {
  return ig_op1(g, op, NULL, IG_INS(x, y), IG_NO_ATTRS);
}

/* The weight's scales so that they multiply the result's channels; with Gemm's alpha. */
static ig_status scales_for(ig_applying *a, const ig_node *node, const ig_narrow_leaf *leaf,
                            ig_value **out) {
  float alpha = ig_attr_float_of(node, "alpha", 1);
  ig_shape shape = leaf->scale->shape;
  bool conv = ig_node_is(node, "Conv");
  *out = leaf->scale;
  if (alpha == 1 && !(conv && shape.rank == 1)) return IG_OK;
  float *scales = ig_arena_copy(a->r.graph->arena, leaf->scales,
                                (size_t)leaf->n_scales * sizeof *scales);
  IG_CHECK_ALLOC(scales);
  for (int64_t i = 0; i < leaf->n_scales; i++) scales[i] *= alpha;
  for (int d = 2; conv && shape.rank == 1 && d < leaf->old->shape.rank; d++) shape.dims[d - 1] = 1;
  if (conv && shape.rank == 1) shape.rank = leaf->old->shape.rank - 1;
  return ig_rebuild_param(&a->r, leaf->scale->name, IG_F32, &shape, scales, true, out);
}

static ig_value *product(ig_applying *a, const ig_node *node, const ig_node *x, ig_value *w) {
  ig_graph *g = a->r.graph;
  ig_value *in[] = {x->outputs[0], w, x->outputs[2]};
  if (!ig_node_is(node, "Conv")) {
    return ig_op1(g, "MatMulInteger", node->name, 3, in, IG_NO_ATTRS);
  }
  ig_attr attrs[IG_MOST_ATTRS];
  int n = ig_attr_list(node, attrs);
  return ig_op1(g, "ConvInteger", node->name, 3, in, n, attrs);
}

/* Conv's bias by channel; Gemm's times beta. */
static ig_status add_bias(ig_applying *a, const ig_node *node, ig_value *y, ig_value **out) {
  const ig_value *old = node->n_inputs > 2 ? node->inputs[2] : NULL;
  ig_graph *g = a->r.graph;
  ig_value *bias;
  *out = y;
  if (!old) return IG_OK;
  IG_TRY(ig_apply_value(a, old, &bias));
  if (ig_node_is(node, "Conv")) {
    int64_t dims[IG_MAX_RANK];
    int rank = node->inputs[1]->shape.rank - 1;
    for (int d = 0; d < rank; d++) dims[d] = d ? 1 : -1;
    bias = two(g, "Reshape", bias, ig_graph_const_i64s(g, rank, dims));
  }
  float beta = ig_attr_float_of(node, "beta", 1);
  if (beta != 1) bias = two(g, "Mul", bias, ig_graph_const_f32(g, beta));
  *out = two(g, "Add", y, bias);
  return ig_graph_status(g);
}

ig_status ig_apply_dynamic(ig_applying *a, const ig_node *node, const ig_quant_layer *layer) {
  ig_graph *g = a->r.graph;
  ig_narrow_leaf *leaf;
  ig_value *x, *scales, *y;
  IG_TRY(ig_apply_value(a, node->inputs[0], &x));
  IG_TRY(ig_apply_weight(a, layer, node->inputs[1], IG_QUANT_INT8_DYNAMIC, &leaf));
  IG_TRY(scales_for(a, node, leaf, &scales));
  ig_value *w = leaf->codes;
  if (ig_attr_int_of(node, "transB", 0)) {
    int64_t perm[] = {1, 0};
    w = ig_op1(g, "Transpose", NULL, IG_INS(w), IG_ATTRS(IG_INTS("perm", 2, perm)));
  }
  ig_node *quantized = ig_graph_node(g, "DynamicQuantizeLinear", NULL, IG_INS(x), IG_NO_ATTRS, 3);
  IG_TRY(ig_graph_status(g));
  y = product(a, node, quantized, w);
  y = ig_op1(g, "Cast", NULL, IG_INS(y), IG_ATTRS(IG_INT("to", ig_dtype_to_onnx(IG_F32))));
  y = two(g, "Mul", y, two(g, "Mul", quantized->outputs[1], scales));
  IG_TRY(ig_graph_status(g));
  IG_TRY(add_bias(a, node, y, &y));
  a->r.map[node->outputs[0]->id] = y;
  return IG_OK;
}
