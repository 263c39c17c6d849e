/* A matrix product, the bias added to it and the activation after that become one
 * ingot.FusedMatMul, whose kernel adds and gates each result before it is stored. In training an
 * activation is fused only when its gradient is a function of its result: the others would need the
 * value before, which is then not kept. */
#include <string.h>

#include "engine/passes/rewrite.h"

/* As FusedMatMul's attributes describe it. */
typedef struct activation {
  const char *name;
  float a, b;
} activation;

static bool is_product(const ig_node *node) {
  return ig_node_is(node, "MatMul") || ig_node_is(node, "Gemm") ||
         ig_node_is(node, "ingot.FusedMatMul");
}

static bool has_addend(const ig_node *product) {
  return product->n_inputs > 2 && product->inputs[2];
}

static bool has_activation(const ig_node *product) {
  return *ig_attr_string_of(product, "activation", "") != '\0';
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
static bool read_activation(const ig_node *node, bool training, activation *out) {
  static const char *const by_result[] = {"Relu", "Tanh", "Sigmoid"};
  static const char *const by_input[] = {"LeakyRelu", "Clip", "Gelu", "HardSwish"};
  *out = (activation){0};
  for (int i = 0; i < IG_COUNT(by_result); i++) {
    if (ig_node_is(node, by_result[i])) out->name = by_result[i];
  }
  for (int i = 0; i < IG_COUNT(by_input) && !training; i++) {
    if (ig_node_is(node, by_input[i])) out->name = by_input[i];
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

/* The product as FusedMatMul with another addend and activation, in place of `node`. */
static ig_status replace(ig_graph *graph, ig_node *node, ig_node *product, ig_value *addend,
                         const activation *f) {
  int64_t trans_a = ig_attr_int_of(product, "trans_a", ig_attr_int_of(product, "transA", 0));
  int64_t trans_b = ig_attr_int_of(product, "trans_b", ig_attr_int_of(product, "transB", 0));
  ig_node *fused =
      ig_graph_node(graph, "ingot.FusedMatMul", product->name,
                    IG_INS(product->inputs[0], product->inputs[1], addend),
                    IG_ATTRS(IG_INT("trans_a", trans_a), IG_INT("trans_b", trans_b),
                             IG_FLOAT("alpha", ig_attr_float_of(product, "alpha", 1)),
                             IG_STRING("activation", f->name ? f->name : ""),
                             IG_FLOAT("activation_alpha", f->a), IG_FLOAT("activation_beta", f->b)),
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

static ig_status fuse_bias(ig_graph *graph, ig_node *add, int *changes) {
  for (int side = 0; side < 2; side++) {
    ig_value *result = add->inputs[side], *bias = add->inputs[1 - side];
    ig_node *product = result->producer;
    if (!is_product(product) || has_addend(product) || has_activation(product)) continue;
    if (ig_value_use_count(graph, result) != 1 || product->inputs[0]->shape.rank < 2 ||
        product->inputs[1]->shape.rank < 2 || !is_bias(bias, result)) {
      continue;
    }
    (*changes)++;
    return replace(graph, add, product, bias, &(activation){0});
  }
  return IG_OK;
}

static ig_status fuse_activation(ig_graph *graph, ig_node *node, const activation *f,
                                 int *changes) {
  ig_value *result = node->inputs[0];
  ig_node *product = result->producer;
  if (!is_product(product) || has_activation(product)) return IG_OK;
  if (ig_value_use_count(graph, result) != 1) return IG_OK;
  if (has_addend(product) && ig_attr_float_of(product, "beta", 1) != 1) return IG_OK;
  (*changes)++;
  ig_value *addend = has_addend(product) ? product->inputs[2] : NULL;
  return replace(graph, node, product, addend, f);
}

static ig_status fuse_bias_activation_run(ig_graph *graph, const ig_pass_options *options,
                                          int *changes) {
  int32_t n_nodes = graph->n_nodes; /* in order: a bias is fused before its activation is seen */
  for (int32_t i = 0; i < n_nodes; i++) {
    ig_node *node = graph->nodes[i];
    activation f;
    if (!ig_node_is_live(node)) continue;
    if (ig_node_is(node, "Add")) {
      IG_TRY(fuse_bias(graph, node, changes));
    } else if (read_activation(node, options->training, &f)) {
      IG_TRY(fuse_activation(graph, node, &f, changes));
    }
  }
  return IG_OK;
}

const ig_pass ig_pass_fuse_bias_activation = {
    .name = "fuse_bias_activation",
    .what = "bias and activation into the matrix product before them",
    .run = fuse_bias_activation_run,
};
