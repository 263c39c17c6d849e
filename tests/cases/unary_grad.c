/* Cases of ingot.UnaryGrad. The wanted slopes are central differences of the functions themselves,
 * so that no derivative is written twice. */
#include <string.h>

#include "elementwise_cases.h"

static double root_by_square(double y) {
  return y * y;
}
static double inverse_sigmoid(double y) {
  return log(y / (1 - y));
}
static double itself(double x) {
  return x;
}
static double relu(double x) {
  return fmax(x, 0);
}
static double gelu(double x) {
  return x / 2 * erfc(-x / sqrt(2));
}
static double gelu_tanh(double x) {
  return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}
static double hard_swish(double x) {
  return x * fmin(fmax(x + 3, 0), 6) / 6;
}
static double clip(double x) {
  return fmin(fmax(x, 0), 2);
}
static double leaky_relu(double x) {
  return x < 0 ? 0.25 * x : x;
}
static double softplus(double x) {
  return log1p(exp(x));
}
static double reciprocal(double x) {
  return 1 / x;
}
static double elu(double x) {
  return x < 0 ? 0.25 * expm1(x) : x;
}
static double celu(double x) {
  return x < 0 ? 0.25 * expm1(x / 0.25) : x;
}
static double selu(double x) {
  return 0.125 * elu(x);
}
static double hard_sigmoid(double x) {
  return fmin(fmax(0.25 * x + 0.125, 0), 1);
}
static double thresholded_relu(double x) {
  return x > 0.25 ? x : 0;
}
static double shrink(double x) {
  return x < -0.25 ? x + 0.125 : x > 0.25 ? x - 0.125 : 0;
}
static double softsign(double x) {
  return x / (1 + fabs(x));
}
static double mish(double x) {
  return x * tanh(softplus(x));
}
static double swish(double x) {
  return x * sigmoid(0.25 * x);
}

/* `operand` gives x from what the operator is given, which is the result for some. */
static const struct {
  const char *name;
  double (*function)(double);
  double (*operand)(double);
} functions[] = {
    {"Relu", relu, itself},
    {"Gelu", gelu, itself},
    {"GeluTanh", gelu_tanh, itself},
    {"Tanh", tanh, atanh},
    {"Sigmoid", sigmoid, inverse_sigmoid},
    {"HardSwish", hard_swish, itself},
    {"Clip", clip, itself},
    {"LeakyRelu", leaky_relu, itself},
    {"Softplus", softplus, itself},
    {"Erf", erf, itself},
    {"Abs", fabs, itself},
    {"Sqrt", sqrt, root_by_square},
    {"Reciprocal", reciprocal, itself},
    {"Sin", sin, itself},
    {"Cos", cos, itself},
    {"Tan", tan, itself},
    {"Asin", asin, itself},
    {"Acos", acos, itself},
    {"Atan", atan, itself},
    {"Sinh", sinh, itself},
    {"Cosh", cosh, itself},
    {"Asinh", asinh, itself},
    {"Acosh", acosh, itself},
    {"Atanh", atanh, itself},
    {"Elu", elu, itself},
    {"Celu", celu, itself},
    {"Selu", selu, itself},
    {"HardSigmoid", hard_sigmoid, itself},
    {"ThresholdedRelu", thresholded_relu, itself},
    {"Shrink", shrink, itself},
    {"Softsign", softsign, itself},
    {"Mish", mish, itself},
    {"Swish", swish, itself},
};

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const char *of = *(const char *const *)node->attrs; /* the first attribute */
  int k = 0;
  while (strcmp(functions[k].name, of) != 0) k++;
  int64_t n = ig_shape_count(&out->shape);
  for (int64_t i = 0; i < n; i++) {
    double x = functions[k].operand(in[1].data[i]), h = 1e-6 * fmax(1, fabs(x));
    double slope = (functions[k].function(x + h) - functions[k].function(x - h)) / (2 * h);
    out->data[i] = in[0].data[i] * slope;
  }
}

static const double zero[] = {0}, two[] = {2};

#define OF(function)                                                                               \
  .n_attrs = 3, .attrs = {{.name = "of", .type = IG_ATTR_STRING, .s = (function)},                 \
                          {.name = "alpha", .type = IG_ATTR_FLOAT, .f = 0.25f},                    \
                          {.name = "beta", .type = IG_ATTR_FLOAT, .f = 0.125f}}
#define BOUND(list)                                                                                \
  { .dtype = IG_F32, .fill = IG_FILL_VALUES, .values = (list), .n_values = 1 }
#define FUNCTION(of, lo, hi)                                                                       \
  {.name = of, .inputs = {SPREAD(IG_F32, -2, 2, 3, 37), SPREAD(IG_F32, lo, hi, 3, 37)}, OF(of)},   \
      {.name = of " image",                                                                        \
       .inputs = {SPREAD(IG_F32, -2, 2, 2, 20, 3, 3), SPREAD(IG_F32, lo, hi, 2, 20, 3, 3)},        \
       OF(of)},                                                                                    \
      {.name = of " threads",                                                                      \
       .inputs = {SPREAD(IG_F32, -2, 2, 40000), SPREAD(IG_F32, lo, hi, 40000)},                    \
       OF(of)},                                                                                    \
  {                                                                                                \
    .name = of " f64", .tolerance = 1e-8,                                                          \
    .inputs = {SPREAD(IG_F64, -2, 2, 40), SPREAD(IG_F64, lo, hi, 40)}, OF(of)                      \
  }

/* Away from the bounds even after rounding to 16 bits. */
#define CLIP(title, lo, hi)                                                                        \
  {                                                                                                \
    .name = title,                                                                                 \
    .inputs = {SPREAD(IG_F32, -2, 2, 3, 37), SPREAD(IG_F32, lo, hi, 3, 37), BOUND(zero),           \
               BOUND(two)},                                                                        \
    OF("Clip")                                                                                     \
  }

static const ig_op_case cases[] = {
    FUNCTION("Relu", -4, 4),         FUNCTION("Gelu", -6, 6),
    FUNCTION("Gelu", -40, 41),       FUNCTION("GeluTanh", -6, 6),
    FUNCTION("GeluTanh", -40, 41),   FUNCTION("Tanh", -0.9, 0.9),
    FUNCTION("Sigmoid", 0.1, 0.9),   FUNCTION("HardSwish", -2.9, 2.9),
    FUNCTION("HardSwish", -6, -3.1), FUNCTION("HardSwish", 3.1, 6),
    FUNCTION("LeakyRelu", -4, 4),    FUNCTION("Softplus", -20, 20),
    FUNCTION("Erf", -4, 4),          FUNCTION("Abs", -4, 4),
    FUNCTION("Reciprocal", 0.5, 4),  FUNCTION("Reciprocal", -4, -0.5),
    FUNCTION("Sin", -9, 9),          FUNCTION("Cos", -9, 9),
    FUNCTION("Tan", -1.2, 1.2),      FUNCTION("Asin", -0.9, 0.9),
    FUNCTION("Acos", -0.9, 0.9),     FUNCTION("Atan", -4, 4),
    FUNCTION("Sinh", -4, 4),         FUNCTION("Cosh", -4, 4),
    FUNCTION("Asinh", -4, 4),        FUNCTION("Acosh", 1.2, 4),
    FUNCTION("Atanh", -0.9, 0.9),    FUNCTION("Elu", -4, 4),
    FUNCTION("Celu", -4, 4),         FUNCTION("Selu", -4, 4),
    FUNCTION("HardSigmoid", -0.4, 3.4), FUNCTION("HardSigmoid", -4, -0.6),
    FUNCTION("HardSigmoid", 3.6, 9), FUNCTION("ThresholdedRelu", 0.3, 4),
    FUNCTION("ThresholdedRelu", -4, 0.2), FUNCTION("Shrink", -0.2, 0.2),
    FUNCTION("Shrink", 0.3, 4),      FUNCTION("Shrink", -4, -0.3),
    FUNCTION("Softsign", -4, 4),     FUNCTION("Mish", -9, 9),
    FUNCTION("Mish", -40, 29),       FUNCTION("Swish", -9, 9),
    FUNCTION("Sqrt", 0.3, 4),        CLIP("Clip below", -4, -0.1),
    CLIP("Clip within", 0.1, 1.9),   CLIP("Clip above", 2.1, 4),
};

const ig_op_cases ig_cases_unary_grad = {
    .op = "ingot.UnaryGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
