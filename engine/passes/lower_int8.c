/* Explicit quantization becomes integer arithmetic: a product of DequantizeLinear(x) with
 * DequantizeLinear(weights) is one ingot.QuantizedConv or ingot.QuantizedMatMul, which takes the bias, a
 * residual, the activation and the QuantizeLinear behind it into its end, so that no f32 tensor appears
 * between operators on 8-bit codes. Where no QuantizeLinear follows, its result is f32. QLinearConv and
 * QLinearMatMul of imported models become the same. Comes behind fuse_bias_activation, which has gathered
 * what follows a product. Weights are 8-bit tensors that no pass sees: they are packed when a plan
 * prepares. */
#include <string.h>

#include "engine/passes/quantized.h"

#define MOST_DEPTH 6

/* --- weights ---------------------------------------------------------------------------------- */

/* Whether a value is known when a plan is made, parameters being frozen then. */
static bool is_fixed(const ig_value *value, int depth) {
  if (value->kind == IG_VALUE_CONST) return true;
  if (value->kind == IG_VALUE_PARAM) return true;
  if (value->kind != IG_VALUE_RESULT || depth == 0) return false;
  const ig_node *node = value->producer;
  if (!(node->op->flags & IG_OP_PURE) || node->n_inputs == 0) return false;
  for (int i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i] && !is_fixed(node->inputs[i], depth - 1)) return false;
  }
  return true;
}

static bool all_zero(const ig_value *zero) {
  double value;
  return !zero || (ig_const_splat(zero, &value) && value == 0);
}

typedef struct weights {
  ig_value *codes, *scale;
} weights;

/* i8 weights with one scale, or one for each place along `axis`. */
static bool read_weights(const ig_value *value, int axis, weights *out) {
  const ig_node *node = value->kind == IG_VALUE_RESULT ? value->producer : NULL;
  if (!ig_node_is(node, "DequantizeLinear") || value->dtype != IG_F32) return false;
  ig_value *codes = node->inputs[0], *scale = node->inputs[1];
  if (codes->dtype != IG_I8 || scale->dtype != IG_F32) return false;
  if (!all_zero(node->n_inputs > 2 ? node->inputs[2] : NULL)) return false;
  if (ig_attr_int_of(node, "block_size", 0) != 0) return false;
  int along = ig_shape_axis(&codes->shape, ig_attr_int_of(node, "axis", 1));
  bool one = ig_value_count(scale) == 1;
  if (!one && (along != axis || scale->shape.rank != 1)) return false;
  *out = (weights){codes, scale};
  return is_fixed(codes, MOST_DEPTH) && is_fixed(scale, MOST_DEPTH);
}

/* --- products --------------------------------------------------------------------------------- */

/* A product as it is found, in the terms of the operator that it becomes. */
typedef struct product {
  const char *op;
  ig_coded x;
  weights w;
  ig_value *bias, *z;
  ig_coded z_codes; /* where z is codes */
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs;
} product;

static ig_value *input_of(const ig_node *node, int i) {
  return i < node->n_inputs ? node->inputs[i] : NULL;
}

static const char *const kept_attrs[] = {"auto_pad",    "dilations",  "kernel_shape",
                                         "pads",        "strides",    "group",
                                         "activation",  "activation_alpha",
                                         "activation_beta"};

static void keep_attrs(const ig_node *node, product *p) {
  ig_attr all[IG_MOST_ATTRS];
  int n = ig_attr_list(node, all);
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < IG_COUNT(kept_attrs); j++) {
      if (strcmp(all[i].name, kept_attrs[j]) == 0) ig_attr_put(p->attrs, &p->n_attrs, all[i]);
    }
  }
}

static bool read_conv(const ig_node *node, product *p) {
  if (!ig_node_is(node, "Conv") && !ig_node_is(node, "ingot.FusedConv")) return false;
  p->op = "ingot.QuantizedConv";
  p->bias = input_of(node, 2);
  p->z = input_of(node, 3);
  keep_attrs(node, p);
  return ig_coded_source(node->inputs[0], &p->x) && read_weights(node->inputs[1], 0, &p->w) &&
         (!p->bias || is_fixed(p->bias, MOST_DEPTH));
}

/* One number for each column, in whatever shape. */
static bool is_row(const ig_value *value, int64_t columns) {
  return value->dtype == IG_F32 && value->shape.rank > 0 && ig_value_count(value) == columns &&
         value->shape.dims[value->shape.rank - 1] == columns && is_fixed(value, MOST_DEPTH);
}

static bool read_mat_mul(ig_graph *graph, const ig_node *node, product *p) {
  if (!ig_node_is(node, "MatMul") && !ig_node_is(node, "Gemm") &&
      !ig_node_is(node, "ingot.FusedMatMul")) {
    return false;
  }
  bool trans_a = ig_attr_int_of(node, "trans_a", ig_attr_int_of(node, "transA", 0)) != 0;
  bool trans_b = ig_attr_int_of(node, "trans_b", ig_attr_int_of(node, "transB", 0)) != 0;
  const ig_value *a = node->inputs[0], *b = node->inputs[1];
  if (trans_a || a->shape.rank < 2 || b->shape.rank != 2) return false;
  if (ig_attr_float_of(node, "alpha", 1) != 1 || ig_attr_float_of(node, "beta", 1) != 1) {
    return false;
  }
  int64_t columns = b->shape.dims[trans_b ? 0 : 1];
  p->op = "ingot.QuantizedMatMul";
  p->bias = input_of(node, 2);
  keep_attrs(node, p);
  if (!ig_coded_source(a, &p->x) || !read_weights(b, trans_b ? 0 : 1, &p->w)) return false;
  if (p->bias && !is_row(p->bias, columns)) return false;
  if (p->bias && p->bias->shape.rank != 1) {
    p->bias = ig_op1(graph, "Reshape", NULL,
                     IG_INS(p->bias, ig_graph_const_i64s(graph, 1, &columns)), IG_NO_ATTRS);
  }
  if (trans_b) {
    p->w.codes = ig_op1(graph, "Transpose", NULL, IG_INS(p->w.codes), IG_NO_ATTRS);
  }
  return true;
}

static void put_codes(product *p, const char *scale, const char *zero, const ig_coded *codes) {
  ig_attr_put(p->attrs, &p->n_attrs, IG_FLOAT(scale, codes->scale));
  ig_attr_put(p->attrs, &p->n_attrs, IG_INT(zero, codes->zero));
}

/* The operator; with `y` its result is codes. */
static ig_node *make_product(ig_graph *graph, const char *name, product *p, const ig_coded *y) {
  put_codes(p, "x_scale", "x_zero", &p->x);
  if (y) {
    put_codes(p, "y_scale", "y_zero", y);
    ig_attr_put(p->attrs, &p->n_attrs, IG_INT("to", ig_dtype_to_onnx(y->dtype)));
  }
  if (p->z && y) put_codes(p, "z_scale", "z_zero", &p->z_codes);
  ig_value *z = p->z && y ? p->z_codes.codes : p->z;
  return ig_graph_node(graph, p->op, name,
                       IG_INS(p->x.codes, p->w.codes, p->w.scale, p->bias, z), p->n_attrs,
                       p->attrs, 1);
}

static ig_status lower_product(ig_graph *graph, ig_node *node, int *changes) {
  product p = {0};
  ig_coded y;
  if (!read_conv(node, &p) && !read_mat_mul(graph, node, &p)) return ig_graph_status(graph);
  ig_node *encode = ig_coded_sink(graph, node->outputs[0], &y);
  if (p.z && !ig_coded_source(p.z, &p.z_codes)) encode = NULL; /* a residual of f32, a result of f32 */
  ig_node *made = make_product(graph, node->name, &p, encode ? &y : NULL);
  IG_TRY(ig_graph_status(graph));
  (*changes)++;
  if (!encode) return ig_node_replace(graph, node, made, 1);
  IG_TRY(ig_node_replace(graph, encode, made, 1));
  ig_node_remove(graph, node);
  return IG_OK;
}

/* --- QLinearConv, QLinearMatMul --------------------------------------------------------------- */

static bool number_of(const ig_value *value, double *out) {
  return ig_value_is_const(value) && ig_value_count(value) == 1 && ig_const_splat(value, out);
}

static bool read_operand(const ig_node *node, int i, ig_value *codes, ig_coded *out) {
  double scale, zero;
  int at = i < 3 ? 1 : 6; /* of x and of y */
  if (node->inputs[at]->dtype != IG_F32) return false;
  if (!number_of(node->inputs[at], &scale) || !number_of(node->inputs[at + 1], &zero)) return false;
  *out = (ig_coded){codes, (float)scale, (int64_t)zero, codes->dtype};
  return scale > 0;
}

/* An i32 bias in units of x_scale w_scale, as f32. */
static ig_value *bias_of(ig_graph *graph, ig_value *bias, const product *p) {
  int64_t channels = ig_value_count(bias);
  ig_value *unit = ig_op1(graph, "Mul", NULL,
                          IG_INS(p->w.scale, ig_graph_const_f32(graph, p->x.scale)), IG_NO_ATTRS);
  if (unit && ig_value_count(unit) == 1 && channels != 1) {
    unit = ig_op1(graph, "Reshape", NULL, IG_INS(unit, ig_graph_const_i64s(graph, 0, &channels)),
                  IG_NO_ATTRS);
  }
  return ig_op1(graph, "DequantizeLinear", NULL, IG_INS(bias, unit),
                IG_ATTRS(IG_INT("axis", 0)));
}

static ig_status lower_q_linear(ig_graph *graph, ig_node *node, int *changes) {
  bool conv = ig_node_is(node, "QLinearConv");
  product p = {.op = conv ? "ingot.QuantizedConv" : "ingot.QuantizedMatMul"};
  ig_coded y;
  if (!conv && !ig_node_is(node, "QLinearMatMul")) return IG_OK;
  ig_value *w = node->inputs[3], *scale = node->inputs[4], *bias = input_of(node, 8);
  if (!read_operand(node, 0, node->inputs[0], &p.x)) return IG_OK;
  if (!read_operand(node, 6, node->outputs[0], &y)) return IG_OK;
  bool plain = w->dtype == IG_I8 && all_zero(node->inputs[5]) && scale->dtype == IG_F32 &&
               scale->shape.rank <= 1 && is_fixed(w, MOST_DEPTH) && is_fixed(scale, MOST_DEPTH);
  if (!plain || (!conv && (w->shape.rank != 2 || node->inputs[0]->shape.rank < 2))) return IG_OK;
  p.w = (weights){w, scale};
  if (bias && !is_fixed(bias, MOST_DEPTH)) return IG_OK;
  if (bias) p.bias = bias_of(graph, bias, &p);
  keep_attrs(node, &p);
  ig_node *made = make_product(graph, node->name, &p, &y);
  IG_TRY(ig_graph_status(graph));
  (*changes)++;
  return ig_node_replace(graph, node, made, 1);
}

static ig_status lower_int8_run(ig_graph *graph, const ig_pass_options *options, int *changes) {
  if (!ig_int8_pays(options)) return IG_OK;
  int32_t n_nodes = graph->n_nodes;
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    if (ig_node_is_live(node)) IG_TRY(lower_product(graph, node, changes));
    if (ig_node_is_live(node)) IG_TRY(lower_q_linear(graph, node, changes));
  }
  return IG_OK;
}

const ig_pass ig_pass_lower_int8 = {
    .name = "lower_int8",
    .what = "quantized products as integer operators (inference)",
    .run = lower_int8_run,
};
