/* What the cases of operators on 8-bit codes share. Their scales are powers of two and their biases small
 * whole numbers, so that f32 and float64 find the same number whatever the order of operations, and codes
 * agree exactly, those half way between two included (where the result's zero point is even: oneDNN adds it
 * before it rounds). */
#ifndef IG_TESTS_QUANTIZED_CASES_H
#define IG_TESTS_QUANTIZED_CASES_H

#include <math.h>

#include "engine/passes/rewrite.h"
#include "integer_conv_cases.h"

#define TO_I8 IG_INT("to", 3)
#define TO_U8 IG_INT("to", 2)
#define X_STEP(value) IG_FLOAT("x_scale", value)
#define Y_STEP(value) IG_FLOAT("y_scale", value)
#define Z_STEP(value) IG_FLOAT("z_scale", value)
#define X_ZERO(value) IG_INT("x_zero", value)
#define Y_ZERO(value) IG_INT("y_zero", value)
#define Z_ZERO(value) IG_INT("z_zero", value)
#define ACTIVATION(name, a, b)                                                                     \
  IG_STRING("activation", name), IG_FLOAT("activation_alpha", a), IG_FLOAT("activation_beta", b)

/* Known when the plan is made. */
#define KNOWN_WEIGHTS(...)                                                                         \
  {                                                                                                \
    .dtype = IG_I8, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = -128, .high = 127,     \
    .constant = true                                                                               \
  }
static const double quantized_steps[] = {0x1p-7, 0x1p-8, 0x1p-7, 0x1p-9, 0x1p-6};
#define KNOWN_STEPS(n)                                                                             \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(n), .fill = IG_FILL_VALUES, .values = quantized_steps,          \
    .n_values = 5, .constant = true, .no_grad = true                                               \
  }
#define KNOWN_BIAS(n)                                                                              \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(n), .fill = IG_FILL_INT, .low = -40, .high = 40,                \
    .constant = true, .no_grad = true                                                              \
  }
#define NONE {.fill = IG_FILL_ABSENT}

static inline double quantized_activate(const ig_node *node, double x) {
  const char *f = ig_attr_string_of(node, "activation", "");
  double a = (double)ig_attr_float_of(node, "activation_alpha", 0);
  double b = (double)ig_attr_float_of(node, "activation_beta", 0);
  if (strcmp(f, "Relu") == 0) return fmax(x, 0);
  if (strcmp(f, "Clip") == 0) return fmin(fmax(x, a), b);
  if (strcmp(f, "LeakyRelu") == 0) return x < 0 ? a * x : x;
  if (strcmp(f, "HardSwish") == 0) return x * fmin(fmax(x / 6 + 0.5, 0), 1);
  if (strcmp(f, "Gelu") == 0) return x * 0.5 * erfc(-x * sqrt(0.5));
  return x;
}

static inline double quantized_store(const ig_node *node, double x) {
  if (node->outputs[0]->dtype == IG_F32) return x;
  double least = node->outputs[0]->dtype == IG_I8 ? -128 : 0;
  double code = nearbyint(x / (double)ig_attr_float_of(node, "y_scale", 1)) +
                (double)ig_attr_int_of(node, "y_zero", 0);
  return fmin(fmax(code, least), least + 255);
}

/* The end of a product: out holds the sums, element i those of column (i / inner) % channels. */
static inline void quantized_end(const ig_node *node, const ig_case_array *in, int64_t channels,
                                 int64_t inner, ig_case_array *out) {
  double x_scale = (double)ig_attr_float_of(node, "x_scale", 1);
  double z_scale = (double)ig_attr_float_of(node, "z_scale", 1);
  double z_zero = (double)ig_attr_int_of(node, "z_zero", 0);
  for (int64_t i = 0; i < ig_shape_count(&out->shape); i++) {
    int64_t c = i / inner % channels;
    bool one = ig_shape_count(&in[2].shape) == 1;
    double y = out->data[i] * x_scale * in[2].data[one ? 0 : c];
    if (node->n_inputs > 3 && in[3].data) y += in[3].data[c];
    if (node->n_inputs > 4 && in[4].data) y += (in[4].data[i] - z_zero) * z_scale;
    out->data[i] = quantized_store(node, quantized_activate(node, y));
  }
}

#endif
