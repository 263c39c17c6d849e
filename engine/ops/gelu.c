/* Gelu: x Phi(x), or with approximate = "tanh" the formula of Hendrycks and Gimpel, "Gaussian Error
 * Linear Units", 2016: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). */
#include <string.h>

#include "engine/ops/elementwise.h"

typedef struct gelu_attrs {
  const char *approximate;
} gelu_attrs;

static const ig_attr_field attrs[] = {IG_FIELD_STRING(gelu_attrs, approximate, "none"), {0}};

static bool is_tanh(const ig_node *node) {
  return strcmp(IG_ATTRS_OF(gelu_attrs, node)->approximate, "tanh") == 0;
}

static ig_status infer(ig_node *node) {
  const char *approximate = IG_ATTRS_OF(gelu_attrs, node)->approximate;
  IG_CHECK(is_tanh(node) || strcmp(approximate, "none") == 0, IG_ERR_USAGE,
           "attribute approximate is '%s', expected none or tanh", approximate);
  return ig_infer_unary_float(node);
}

IG_UNARY_IMPLS(is_tanh(call->node) ? IG_UNARY_GELU_TANH : IG_UNARY_GELU, 0, 0)

static void grad(const ig_grad *g) {
  ig_grad_unary(g, is_tanh(g->node) ? "GeluTanh" : "Gelu", 0);
}

const ig_op ig_op_gelu = {
    .name = "Gelu",
    .since = 20,
    .n_in = {1, 1},
    .n_out = {1, 1},
    .flags = IG_ELEMENTWISE_FLAGS,
    .attrs = attrs,
    .attrs_size = sizeof(gelu_attrs),
    .infer = infer,
    .grad = grad,
    .cost = ig_cost_elementwise,
    .impls = impls,
};
