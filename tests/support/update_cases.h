/* Cases that Adam, AdamW and LAMB share. Inputs lr, step, scale, parameter, gradient, first and second
 * moment. */
#ifndef IG_TESTS_UPDATE_CASES_H
#define IG_TESTS_UPDATE_CASES_H

#include "case_tools.h"

#define SCALARS(step) SCALAR_AS(IG_F32, false, 0.1), SCALAR_AS(IG_F32, false, step)
#define SCALE SCALAR_AS(IG_F32, false, 0.25)
#define TENSORS(...)                                                                               \
  NORMAL(IG_F32, __VA_ARGS__), NORMAL(IG_F32, __VA_ARGS__), NORMAL(IG_F32, __VA_ARGS__),           \
      POSITIVE(IG_F32, __VA_ARGS__)

#define ADAM_CASES                                                                                 \
  {.name = "first step", .inputs = {SCALARS(1), ABSENT, TENSORS(3, 7)}, .n_outputs = 3},           \
      {.name = "decay",                                                                            \
       .inputs = {SCALARS(5), SCALE, TENSORS(37)},                                                 \
       .n_attrs = 1,                                                                               \
       .attrs = {A_FLOAT("weight_decay", 0.5f)},                                                   \
       .n_outputs = 3},                                                                            \
      {.name = "rates",                                                                            \
       .inputs = {SCALARS(3), SCALE, TENSORS(16)},                                                 \
       .n_attrs = 4,                                                                               \
       .attrs = {A_FLOAT("weight_decay", 0.25f), A_FLOAT("beta1", 0.5f), A_FLOAT("beta2", 0.75f),  \
                 A_FLOAT("epsilon", 0.125f)},                                                      \
       .n_outputs = 3},                                                                            \
      {.name = "copy",                                                                             \
       .inputs = {SCALARS(5), SCALE, TENSORS(37), NORMAL(IG_F16, 37)},                             \
       .n_outputs = 4},                                                                            \
  {                                                                                                \
    .name = "threads", .inputs = {SCALARS(2000), SCALE, TENSORS(50001)}, .n_outputs = 3            \
  }

/* The decimal that a rate was written as: 1 - 0.999f is not 0.001. */
static inline double rate(const ig_node *node, const char *name) {
  return round(attr_float(node, name) * 1e6) / 1e6;
}

/* What a copy in 16 bits is made of, where the node has one. */
static inline void fill_copy(const ig_node *node, ig_case_array *out) {
  if (node->n_outputs < 4) return;
  for (int64_t i = 0; i < count_of(&out[0]); i++) out[3].data[i] = out[0].data[i];
}

/* Moments of element `i`; returns the bias-corrected direction m / (sqrt(v) + epsilon). */
static inline double adam_direction(const ig_node *node, const ig_case_array *in,
                                    ig_case_array *out, int64_t i, double g) {
  double beta1 = rate(node, "beta1"), beta2 = rate(node, "beta2"), step = in[1].data[0];
  out[1].data[i] = beta1 * in[5].data[i] + (1 - beta1) * g;
  out[2].data[i] = beta2 * in[6].data[i] + (1 - beta2) * g * g;
  double m = out[1].data[i] / (1 - pow(beta1, step)), v = out[2].data[i] / (1 - pow(beta2, step));
  return m / (sqrt(v) + attr_float(node, "epsilon"));
}

#endif
