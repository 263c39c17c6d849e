/* Cases of ingot.ScaledMatMul. */
#include "case_tools.h"
#include "product_reference.h"

static double activate(const char *name, double x) {
  if (strcmp(name, "Relu") == 0) return fmax(x, 0);
  if (strcmp(name, "GeluTanh") == 0) {
    return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  if (strcmp(name, "Gelu") == 0) return x / 2 * erfc(-x / sqrt(2));
  return x;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double alpha = attr_float(node, "alpha") * in[2].data[0] * in[3].data[0];
  ig_case_array factors[] = {in[0], in[1], node->n_inputs > 4 ? in[4] : (ig_case_array){.data = NULL}};
  product_reference(factors, 3, out, false, true, alpha, 1);
  int64_t count = ig_shape_count(&out->shape);
  const char *name = attr_of(node, "activation").s;
  for (int64_t i = 0; i < count; i++) out->data[i] = activate(name, out->data[i]);
}

#define CODES(type, ...)                                                                           \
  { .dtype = (type), .shape = DIMS(__VA_ARGS__), .no_grad = true }
#define SCALES(a, b) SCALAR_AS(IG_F32, false, a), SCALAR_AS(IG_F32, false, b)
#define NONE .no_grad_check = true, .why = "nothing is differentiated"
#define ATTRS(n, ...) .n_attrs = (n) + 1, .attrs = {A_INT("to", 1), __VA_ARGS__}, NONE
#define BF16(n, ...) .n_attrs = (n) + 1, .attrs = {A_INT("to", 16), __VA_ARGS__}, NONE
#define FUNCTION(name) A_STRING("activation", name)
#define E4M3 IG_F8E4M3
#define E5M2 IG_F8E5M2

static const ig_op_case cases[] = {
    {.name = "plain",
     .inputs = {CODES(E4M3, 16, 32), CODES(E4M3, 48, 32), SCALES(0.5, 4)},
     ATTRS(1, A_INT("fast", 1))},
    {.name = "e5m2 on the left",
     .inputs = {CODES(E5M2, 32, 16), CODES(E4M3, 16, 16), SCALES(1, 0.125)},
     ATTRS(1, A_FLOAT("alpha", 0.75f))},
    {.name = "e5m2 on the right, to bf16",
     .inputs = {CODES(E4M3, 16, 64), CODES(E5M2, 32, 64), SCALES(0.25, 2)},
     BF16(1, A_INT("fast", 0))},
    {.name = "bias",
     .inputs = {CODES(E4M3, 32, 48), CODES(E4M3, 16, 48), SCALES(0.5, 0.5), FIXED(IG_F32, 16)},
     ATTRS(1, A_INT("fast", 0))},
    {.name = "bias, to bf16",
     .inputs = {CODES(E4M3, 32, 48), CODES(E4M3, 16, 48), SCALES(0.5, 0.5), FIXED(IG_BF16, 16)},
     BF16(1, FUNCTION("GeluTanh"))},
    {.name = "bias and function",
     .inputs = {CODES(E4M3, 32, 48), CODES(E4M3, 16, 48), SCALES(0.5, 0.5), FIXED(IG_F32, 1, 16)},
     ATTRS(1, FUNCTION("Relu"))},
    {.name = "a function that the library lacks",
     .inputs = {CODES(E4M3, 32, 48), CODES(E4M3, 16, 48), SCALES(0.5, 0.5), FIXED(IG_BF16, 16)},
     BF16(1, FUNCTION("Gelu"))},
    {.name = "a whole addend",
     .inputs = {CODES(E4M3, 32, 16), CODES(E4M3, 16, 16), SCALES(1, 1), FIXED(IG_F32, 32, 16)},
     ATTRS(1, A_INT("fast", 1))},
    {.name = "an addend by row",
     .inputs = {CODES(E4M3, 32, 16), CODES(E5M2, 16, 16), SCALES(1, 1), FIXED(IG_F32, 32, 1)},
     ATTRS(1, A_INT("fast", 0))},
    {.name = "larger",
     .inputs = {CODES(E4M3, 160, 208), CODES(E4M3, 176, 208), SCALES(0.0625, 1)},
     ATTRS(1, A_INT("fast", 0))},
};

const ig_op_cases ig_cases_scaled_mat_mul = {
    .op = "ingot.ScaledMatMul", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
