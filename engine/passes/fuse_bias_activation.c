/* A matrix product or convolution, what is added to it and the activation after that become one
 * ingot.FusedMatMul or ingot.FusedConv, or go into a product with narrow weights, whose kernel adds and gates each result before it is stored.
 * To a product a bias is added, to a convolution a bias or, at the end of a residual block, a tensor
 * of the result's shape. In training an activation is fused only when its gradient is a function of
 * its result: the others would need the value before, which is then not kept. */
#include <string.h>

#include "engine/passes/rewrite.h"

/* As the fused operators' attributes describe it. */
typedef struct activation {
  const char *name;
  float a, b;
} activation;

static bool is_product(const ig_node *node) {
  return ig_node_is(node, "MatMul") || ig_node_is(node, "Gemm") ||
         ig_node_is(node, "ingot.FusedMatMul");
}

static bool is_conv(const ig_node *node) {
  return ig_node_is(node, "Conv") || ig_node_is(node, "ingot.FusedConv");
}

/* Bias is input 3 of these. */
static bool is_narrow_product(const ig_node *node) {
  return ig_node_is(node, "ingot.WeightOnlyMatMul") ||
         ig_node_is(node, "ingot.DynamicQuantizedMatMul");
}

static ig_value *input_or_null(const ig_node *node, int input) {
  return node->n_inputs > input ? node->inputs[input] : NULL;
}

static bool has_input(const ig_node *node, int input) {
  return input_or_null(node, input) != NULL;
}

static bool has_activation(const ig_node *node) {
  return *ig_attr_string_of(node, "activation", "") != '\0';
}

static bool scalar(const ig_node *node, int input, float fallback, float *out) {
  double value;
  *out = fallback;
  if (node->n_inputs <= input || !node->inputs[input]) return true;
  if (!ig_const_splat(node->inputs[input], &value)) return false;
  *out = (float)value;
  return true;
}

/* Whether `node` is an activation that the fused operator has, and may have here. */
static bool read_activation(const ig_node *node, const ig_pass_options *options, activation *out) {
  bool training = options->training;
  static const char *const by_result[] = {"Relu", "Tanh", "Sigmoid"};
  static const char *const by_input[] = {"LeakyRelu", "Clip", "Gelu", "HardSwish"};
  *out = (activation){0};
  for (int i = 0; i < IG_COUNT(by_result); i++) {
    if (ig_node_is(node, by_result[i])) out->name = by_result[i];
  }
  for (int i = 0; i < IG_COUNT(by_input) && !training; i++) {
    if (ig_node_is(node, by_input[i])) out->name = by_input[i];
  }
  if (!training && options->device == IG_CPU && ig_node_is(node, "Swish")) {
    out->name = "Swish";
    out->a = ig_attr_float_of(node, "alpha", 1);
  }
  if (!out->name) return false;
  if (ig_node_is(node, "LeakyRelu")) out->a = ig_attr_float_of(node, "alpha", 0.01f);
  if (ig_node_is(node, "Gelu") &&
      strcmp(ig_attr_string_of(node, "approximate", "none"), "tanh") == 0) {
    out->name = "GeluTanh";
  }
  if (!ig_node_is(node, "Clip")) return true;
  return scalar(node, 1, -3.402823466e38f, &out->a) && scalar(node, 2, 3.402823466e38f, &out->b);
}

/* --- products -------------------------------------------------------------------------------- */

/* The product as FusedMatMul with this addend and activation, in place of `node`. */
static ig_status replace_product(ig_graph *graph, ig_node *node, ig_node *product, ig_value *addend,
                                 const activation *f) {
  int64_t trans_a = ig_attr_int_of(product, "trans_a", ig_attr_int_of(product, "transA", 0));
  int64_t trans_b = ig_attr_int_of(product, "trans_b", ig_attr_int_of(product, "transB", 0));
  ig_node *fused =
      ig_graph_node(graph, "ingot.FusedMatMul", product->name,
                    IG_INS(product->inputs[0], product->inputs[1], addend),
                    IG_ATTRS(IG_INT("trans_a", trans_a), IG_INT("trans_b", trans_b),
                             IG_FLOAT("alpha", ig_attr_float_of(product, "alpha", 1)),
                             IG_STRING("activation", f->name), IG_FLOAT("activation_alpha", f->a),
                             IG_FLOAT("activation_beta", f->b)),
                    1);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_node_replace(graph, node, fused, 1));
  ig_node_remove(graph, product);
  return IG_OK;
}

/* One number for each column: what a linear layer adds. */
static bool is_bias(const ig_value *value, const ig_value *result) {
  int64_t columns = result->shape.dims[result->shape.rank - 1];
  return value->dtype == result->dtype && value->shape.rank > 0 &&
         value->shape.rank <= result->shape.rank && ig_value_count(value) == columns &&
         value->shape.dims[value->shape.rank - 1] == columns;
}

static bool product_takes(const ig_node *product, const ig_value *result, const ig_value *bias) {
  return is_product(product) && !has_input(product, 2) && product->inputs[0]->shape.rank > 1 &&
         product->inputs[1]->shape.rank > 1 && is_bias(bias, result);
}

/* The product with narrow weights with this bias and activation, in place of `node`. */
static ig_status replace_narrow(ig_graph *graph, ig_node *node, ig_node *product, ig_value *bias,
                                const activation *f) {
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(product, attrs);
  ig_attr_put(attrs, &n_attrs, IG_STRING("activation", f->name));
  ig_attr_put(attrs, &n_attrs, IG_FLOAT("activation_alpha", f->a));
  ig_attr_put(attrs, &n_attrs, IG_FLOAT("activation_beta", f->b));
  ig_node *fused = ig_graph_node(
      graph, product->op->name, product->name,
      IG_INS(product->inputs[0], product->inputs[1], product->inputs[2], bias), n_attrs, attrs, 1);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_node_replace(graph, node, fused, 1));
  ig_node_remove(graph, product);
  return IG_OK;
}

static bool narrow_takes(const ig_node *product, const ig_value *result, const ig_value *bias) {
  return is_narrow_product(product) && !has_input(product, 3) && bias->dtype == IG_F32 &&
         is_bias(bias, result);
}

/* --- convolutions ---------------------------------------------------------------------------- */

static ig_status replace_conv(ig_graph *graph, ig_node *node, ig_node *conv, ig_value *bias,
                              ig_value *addend, const activation *f) {
  ig_attr attrs[IG_MOST_ATTRS];
  int n_attrs = ig_attr_list(conv, attrs);
  ig_attr_put(attrs, &n_attrs, IG_STRING("activation", f->name));
  ig_attr_put(attrs, &n_attrs, IG_FLOAT("activation_alpha", f->a));
  ig_attr_put(attrs, &n_attrs, IG_FLOAT("activation_beta", f->b));
  ig_node *fused =
      ig_graph_node(graph, "ingot.FusedConv", conv->name,
                    IG_INS(conv->inputs[0], conv->inputs[1], bias, addend), n_attrs, attrs, 1);
  IG_TRY(ig_graph_status(graph));
  IG_TRY(ig_node_replace(graph, node, fused, 1));
  ig_node_remove(graph, conv);
  return IG_OK;
}

/* One number for each channel, as [C, 1, 1] with or without a 1 before. */
static bool is_channel_bias(const ig_value *value, const ig_value *result) {
  int lead = result->shape.rank - value->shape.rank;
  return value->dtype == result->dtype && (lead == 0 || lead == 1) && value->shape.rank > 1 &&
         ig_value_count(value) == result->shape.dims[1] &&
         value->shape.dims[1 - lead] == result->shape.dims[1];
}

static bool conv_takes_bias(const ig_node *conv, const ig_value *result, const ig_value *bias) {
  return is_conv(conv) && !has_input(conv, 2) && !has_input(conv, 3) &&
         is_channel_bias(bias, result);
}

static bool conv_takes_sum(const ig_node *conv, const ig_value *result, const ig_value *addend) {
  return is_conv(conv) && !has_input(conv, 3) && addend->dtype == result->dtype &&
         ig_shape_equal(&addend->shape, &result->shape);
}

/* --- both ------------------------------------------------------------------------------------ */

static ig_status fuse_sum(ig_graph *graph, ig_node *add, int *changes) {
  const activation none = {.name = ""};
  /* Of two candidates the later one takes the sum, so that nothing has to run earlier. */
  const ig_node *a = add->inputs[0]->producer, *b = add->inputs[1]->producer;
  int first = a && b && b->id > a->id;
  for (int turn = 0; turn < 2; turn++) {
    int side = first ^ turn;
    ig_value *result = add->inputs[side], *addend = add->inputs[1 - side];
    ig_node *node = result->producer;
    if (!node || has_activation(node) || ig_value_use_count(graph, result) != 1) continue;
    ++*changes;
    if (product_takes(node, result, addend)) {
      return replace_product(graph, add, node, addend, &none);
    }
    if (narrow_takes(node, result, addend)) {
      return replace_narrow(graph, add, node, addend, &none);
    }
    if (conv_takes_bias(node, result, addend)) {
      int64_t channels = -1;
      ig_value *bias =
          ig_op1(graph, "Reshape", NULL, IG_INS(addend, ig_graph_const_i64s(graph, 1, &channels)),
                 IG_NO_ATTRS);
      return replace_conv(graph, add, node, bias, NULL, &none);
    }
    if (conv_takes_sum(node, result, addend)) {
      return replace_conv(graph, add, node, input_or_null(node, 2), addend, &none);
    }
    --*changes;
  }
  return IG_OK;
}

static ig_status fuse_activation(ig_graph *graph, ig_node *node, const activation *f,
                                 int *changes) {
  ig_value *result = node->inputs[0];
  ig_node *producer = result->producer;
  if (!producer || has_activation(producer) || ig_value_use_count(graph, result) != 1) {
    return IG_OK;
  }
  if (is_product(producer)) {
    if (has_input(producer, 2) && ig_attr_float_of(producer, "beta", 1) != 1) return IG_OK;
    ++*changes;
    return replace_product(graph, node, producer, input_or_null(producer, 2), f);
  }
  if (is_narrow_product(producer)) {
    ++*changes;
    return replace_narrow(graph, node, producer, input_or_null(producer, 3), f);
  }
  if (!is_conv(producer)) return IG_OK;
  ++*changes;
  return replace_conv(graph, node, producer, input_or_null(producer, 2), input_or_null(producer, 3),
                      f);
}

static ig_status fuse_bias_activation_run(ig_graph *graph, const ig_pass_options *options,
                                          int *changes) {
  int32_t n_nodes = graph->n_nodes; /* in order: a bias is fused before its activation is seen */
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    activation f;
    if (!ig_node_is_live(node)) continue;
    if (ig_node_is(node, "Add")) {
      IG_TRY(fuse_sum(graph, node, changes));
    } else if (read_activation(node, options, &f)) {
      IG_TRY(fuse_activation(graph, node, &f, changes));
    }
  }
  return IG_OK;
}

const ig_pass ig_pass_fuse_bias_activation = {
    .name = "fuse_bias_activation",
    .what = "sums and activations into the matrix product or convolution before them",
    .run = fuse_bias_activation_run,
};
