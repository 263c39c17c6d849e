/* Cases of ingot.FusedMatMul: batches read transposed, an addend, and each activation. */
#include <math.h>
#include <string.h>

#include "product_reference.h"

static double activate(const char *name, double a, double b, double x) {
  if (strcmp(name, "Relu") == 0) return fmax(x, 0);
  if (strcmp(name, "LeakyRelu") == 0) return x < 0 ? a * x : x;
  if (strcmp(name, "Clip") == 0) return fmin(fmax(x, a), b);
  if (strcmp(name, "Gelu") == 0) return x / 2 * erfc(-x / sqrt(2));
  if (strcmp(name, "GeluTanh") == 0) {
    return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  if (strcmp(name, "Tanh") == 0) return tanh(x);
  if (strcmp(name, "Sigmoid") == 0) return 1 / (1 + exp(-x));
  if (strcmp(name, "Swish") == 0) return x / (1 + exp(-a * x));
  if (strcmp(name, "HardSwish") == 0) return x * fmin(fmax(x / 6 + 0.5, 0), 1);
  return x;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const char *name = ig_attr_string_of(node, "activation", "");
  double a = ig_attr_float_of(node, "activation_alpha", 0);
  double b = ig_attr_float_of(node, "activation_beta", 0);
  product_reference(in, node->n_inputs, out, ig_attr_int_of(node, "trans_a", 0),
                    ig_attr_int_of(node, "trans_b", 0), ig_attr_float_of(node, "alpha", 1), 1);
  int64_t count = ig_shape_count(&out->shape);
  for (int64_t i = 0; i < count; i++) out->data[i] = activate(name, a, b, out->data[i]);
}

#define TRANS(n)                                                                                   \
  { .name = (n), .type = IG_ATTR_INT, .i = 1 }
#define NUMBER(n, value)                                                                           \
  { .name = (n), .type = IG_ATTR_FLOAT, .f = (value) }
#define ACTIVATION(value)                                                                          \
  { .name = "activation", .type = IG_ATTR_STRING, .s = (value) }
#define FUSED(function)                                                                            \
  .inputs = {MATRIX(2, {6, 21}), MATRIX(2, {21, 19}), MATRIX(1, {19})}, .n_attrs = 1,              \
  .attrs = {ACTIVATION(function)}
#define NO_GRADIENT                                                                                \
  .no_grad_check = true, .why = "the gradient of this function needs what it was given"

static const ig_op_case cases[] = {
    {.name = "plain", .inputs = {MATRIX(2, {5, 7}), MATRIX(2, {7, 3})}},
    {.name = "rows",
     .inputs = {MATRIX(3, {2, 5, 7}), MATRIX(2, {3, 7}), MATRIX(1, {3})},
     .n_attrs = 1,
     .attrs = {TRANS("trans_b")}},
    {.name = "batch, both transposed",
     .inputs = {MATRIX(3, {2, 7, 5}), MATRIX(3, {2, 3, 7}), MATRIX(2, {5, 3})},
     .n_attrs = 2,
     .attrs = {TRANS("trans_a"), TRANS("trans_b")}},
    {.name = "batch against one, transposed",
     .inputs = {MATRIX(3, {2, 7, 5}), MATRIX(2, {7, 3})},
     .n_attrs = 2,
     .attrs = {TRANS("trans_a"), NUMBER("alpha", 0.125f)}},
    {.name = "batches of two dims, one repeated, addend by row",
     .inputs = {MATRIX(4, {3, 2, 7, 5}), MATRIX(4, {1, 2, 7, 3}), MATRIX(4, {3, 1, 5, 1})},
     .n_attrs = 2,
     .attrs = {TRANS("trans_a"), NUMBER("alpha", 0.5f)}},
    {.name = "full addend",
     .inputs = {MATRIX(4, {2, 2, 5, 7}), MATRIX(4, {2, 2, 7, 3}), MATRIX(4, {2, 2, 5, 3})},
     .n_attrs = 1,
     .attrs = {NUMBER("alpha", 2)}},
    {.name = "one row, transposed",
     .inputs = {MATRIX(2, {1, 50}), MATRIX(2, {33, 50}), MATRIX(1, {33})},
     .n_attrs = 1,
     .attrs = {TRANS("trans_b")}},
    {.name = "relu", FUSED("Relu")},
    {.name = "tanh", FUSED("Tanh")},
    {.name = "sigmoid", FUSED("Sigmoid")},
    {.name = "gelu", FUSED("Gelu"), NO_GRADIENT},
    {.name = "gelu by tanh", FUSED("GeluTanh"), NO_GRADIENT},
    {.name = "hard swish", FUSED("HardSwish"), NO_GRADIENT},
    {.name = "swish",
     .inputs = {MATRIX(2, {6, 21}), MATRIX(2, {21, 19})},
     .n_attrs = 2,
     .attrs = {ACTIVATION("Swish"), NUMBER("activation_alpha", 1)},
     NO_GRADIENT},
    {.name = "leaky relu",
     .inputs = {MATRIX(2, {6, 21}), MATRIX(2, {21, 19})},
     .n_attrs = 2,
     .attrs = {ACTIVATION("LeakyRelu"), NUMBER("activation_alpha", 0.1f)},
     NO_GRADIENT},
    {.name = "clip",
     .inputs = {MATRIX(2, {6, 21}), MATRIX(2, {21, 19})},
     .n_attrs = 3,
     .attrs = {ACTIVATION("Clip"), NUMBER("activation_alpha", -1), NUMBER("activation_beta", 6)},
     NO_GRADIENT},
};

const ig_op_cases ig_cases_fused_mat_mul = {
    .op = "ingot.FusedMatMul", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
