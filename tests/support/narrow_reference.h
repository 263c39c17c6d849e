/* Products of rows with narrow weights in float64, from the definition, and rows of their case tables. */
#ifndef IG_TESTS_NARROW_REFERENCE_H
#define IG_TESTS_NARROW_REFERENCE_H

#include "case_tools.h"

static inline double narrow_activation(const ig_node *node, double x) {
  if (attr_is(node, "activation", "Relu")) return fmax(x, 0);
  if (attr_is(node, "activation", "Gelu")) return x / 2 * erfc(-x / sqrt(2));
  if (attr_is(node, "activation", "GeluTanh")) {
    return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  if (attr_is(node, "activation", "Clip")) {
    return fmin(fmax(x, attr_float(node, "activation_alpha")), attr_float(node, "activation_beta"));
  }
  return x;
}

/* out = activation(x W + bias), with `x` [m, k] what the rows count as, `transposed` and `block` as in
 * ingot.WeightOnlyMatMul, and codes less `zero`. */
static inline void narrow_reference(const ig_node *node, const ig_case_array *in, const double *x,
                                    bool transposed, int64_t block, double zero,
                                    ig_case_array *out) {
  int64_t k = in[0].shape.dims[in[0].shape.rank - 1], n = out->shape.dims[out->shape.rank - 1];
  int64_t groups = block ? (k + block - 1) / block : 1;
  for (int64_t at = 0; at < count_of(out); at++) {
    int64_t i = at / n, j = at % n;
    double sum = node->n_inputs > 3 && in[3].data ? in[3].data[j] : 0;
    for (int64_t l = 0; l < k; l++) {
      int64_t g = block ? l / block : 0, scale = transposed ? j * groups + g : g * n + j;
      double code = in[1].data[transposed ? j * k + l : l * n + j] - zero;
      sum += x[i * k + l] * code * in[2].data[count_of(&in[2]) == 1 ? 0 : scale];
    }
    out->data[at] = narrow_activation(node, sum);
  }
}

#define NARROW_SCALES(...)                                                                         \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 0.001,            \
    .high = 0.02, .no_grad = true, .constant = true                                                \
  }
#define NARROW_CODES(type, lo, hi, known, ...)                                                     \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = (lo), .high = (hi),   \
    .constant = (known)                                                                            \
  }
#define NARROW_ACTIVATION(value)                                                                   \
  { .name = "activation", .type = IG_ATTR_STRING, .s = (value) }

#endif
