/* LinearAttention and CausalConvWithState in float64, as their specifications write them. */
#ifndef IG_TESTS_LINEAR_ATTENTION_CASES_H
#define IG_TESTS_LINEAR_ATTENTION_CASES_H

#include "twin_cases.h"

#define MOST_STATE 64

static inline void linear_attention_reference(const ig_node *node, const ig_case_array *in,
                                              ig_case_array *out) {
  int64_t heads = attr_int(node, "q_num_heads"), kv = attr_int(node, "kv_num_heads");
  int64_t batch = in[0].shape.dims[0], steps = in[0].shape.dims[1];
  int64_t dk = in[0].shape.dims[2] / heads, dv = in[2].shape.dims[2] / kv, group = heads / kv;
  double scale = attr_float(node, "scale");
  if (scale == 0) scale = 1 / sqrt((double)dk);
  const double *past = node->n_inputs > 3 ? in[3].data : NULL;
  const double *decay = node->n_inputs > 4 ? in[4].data : NULL;
  const double *beta = node->n_inputs > 5 ? in[5].data : NULL;
  bool delta = strstr(attr_of(node, "update_rule").s, "delta") != NULL;
  for (int64_t bh = 0; bh < batch * kv; bh++) {
    int64_t b = bh / kv, h = bh % kv;
    double s[MOST_STATE] = {0}, fresh[MOST_STATE];
    for (int64_t i = 0; past && i < dk * dv; i++) s[i] = past[bh * dk * dv + i];
    for (int64_t t = 0; t < steps; t++) {
      int64_t bt = b * steps + t, one = decay ? in[4].shape.dims[2] == kv : 0;
      const double *k = in[1].data + (bt * kv + h) * dk, *v = in[2].data + (bt * kv + h) * dv;
      double rate = !beta ? 1 : beta[in[5].shape.dims[2] == 1 ? bt : bt * kv + h];
      for (int64_t i = 0; decay && i < dk * dv; i++) {
        s[i] *= exp(decay[one ? bt * kv + h : (bt * kv + h) * dk + i / dv]);
      }
      for (int64_t j = 0; j < dv; j++) {
        fresh[j] = v[j];
        for (int64_t i = 0; i < dk && delta; i++) fresh[j] -= s[i * dv + j] * k[i];
      }
      for (int64_t i = 0; i < dk * dv; i++) s[i] += rate * k[i / dv] * fresh[i % dv];
      for (int64_t q = h * group; q < (h + 1) * group && out[0].data; q++) {
        for (int64_t j = 0; j < dv; j++) {
          double y = 0;
          for (int64_t i = 0; i < dk; i++) y += in[0].data[(bt * heads + q) * dk + i] * s[i * dv + j];
          out[0].data[(bt * heads + q) * dv + j] = scale * y;
        }
      }
    }
    for (int64_t i = 0; out[1].data && i < dk * dv; i++) out[1].data[bh * dk * dv + i] = s[i];
  }
}

static inline void causal_conv_reference(const ig_node *node, const ig_case_array *in,
                                         ig_case_array *out) {
  int64_t channels = in[0].shape.dims[1], length = in[0].shape.dims[2], k = in[1].shape.dims[2];
  const double *bias = node->n_inputs > 2 ? in[2].data : NULL;
  const double *past = node->n_inputs > 3 ? in[3].data : NULL;
  bool silu = !attr_is(node, "activation", "none");
  for (int64_t row = 0; row < in[0].shape.dims[0] * channels; row++) {
    double line[MOST_STATE] = {0};
    for (int64_t i = 0; i < k - 1; i++) line[i] = past ? past[row * (k - 1) + i] : 0;
    for (int64_t i = 0; i < length; i++) line[k - 1 + i] = in[0].data[row * length + i];
    for (int64_t t = 0; t < length && out[0].data; t++) {
      double y = bias ? bias[row % channels] : 0;
      for (int64_t i = 0; i < k; i++) y += in[1].data[row % channels * k + i] * line[t + i];
      out[0].data[row * length + t] = silu ? y / (1 + exp(-y)) : y;
    }
    for (int64_t i = 0; i < k - 1 && out[1].data; i++) out[1].data[row * (k - 1) + i] = line[length + i];
  }
}

/* Keys and decays small, so that states stay small. */
#define SMALL(type, ...)                                                                           \
  { .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = -0.9, .high = 0.1 }
#define RULE(rule) A_STRING("update_rule", rule)
#define HEADS(q, kv) A_INT("q_num_heads", q), A_INT("kv_num_heads", kv)

#endif
