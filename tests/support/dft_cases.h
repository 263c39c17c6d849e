/* DFT and STFT in float64 by their definitions: n products for every number. */
#ifndef IG_TESTS_DFT_CASES_H
#define IG_TESTS_DFT_CASES_H

#include "twin_cases.h"

#define TWO_PI 6.28318530717958647692

static double dft_number(const ig_node *node, const ig_case_array *in, int i, double fallback) {
  return i < node->n_inputs && in[i].data ? in[i].data[0] : fallback;
}

static inline void dft_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *x = &in[0].shape, *y = &out->shape;
  int last = x->rank - 1, axis = axis_of((int64_t)dft_number(node, in, 2, -2), x);
  bool inverse = attr_int(node, "inverse") != 0, onesided = attr_int(node, "onesided") != 0;
  bool to_real = inverse && onesided;
  int64_t usual = to_real ? 2 * (x->dims[axis] - 1) : x->dims[axis];
  int64_t n = (int64_t)dft_number(node, in, 1, (double)usual);
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t at[IG_MAX_RANK], from[IG_MAX_RANK];
    double re = 0, im = 0;
    index_of(y, i, at);
    memcpy(from, at, sizeof from);
    for (int64_t j = 0; j < n; j++) {
      int64_t source = to_real && j > n / 2 ? n - j : j;
      if (source >= x->dims[axis]) continue;
      from[axis] = source;
      from[last] = 0;
      double a = in[0].data[offset_of(x, from)], b = 0;
      from[last] = 1;
      if (x->dims[last] == 2) b = in[0].data[offset_of(x, from)];
      if (to_real && (j == 0 || 2 * j == n)) b = 0;
      if (source != j) b = -b;
      double angle = (inverse ? TWO_PI : -TWO_PI) * (double)(j * at[axis] % n) / (double)n;
      re += a * cos(angle) - b * sin(angle);
      im += a * sin(angle) + b * cos(angle);
    }
    out->data[i] = (at[last] ? im : re) / (inverse ? (double)n : 1);
  }
}

static inline void stft_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const ig_shape *x = &in[0].shape;
  bool window = node->n_inputs > 2 && in[2].data;
  int64_t step = (int64_t)in[1].data[0], parts = x->dims[2];
  double usual = (double)(window ? in[2].shape.dims[0] : x->dims[1]);
  int64_t n = (int64_t)dft_number(node, in, 3, usual);
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t at[IG_MAX_RANK];
    double re = 0, im = 0;
    index_of(&out->shape, i, at);
    for (int64_t j = 0; j < n; j++) {
      const double *s = in[0].data + (at[0] * x->dims[1] + at[1] * step + j) * parts;
      double w = !window ? 1 : j < in[2].shape.dims[0] ? in[2].data[j] : 0;
      double angle = -TWO_PI * (double)(j * at[2] % n) / (double)n, b = parts == 2 ? s[1] : 0;
      re += w * (s[0] * cos(angle) - b * sin(angle));
      im += w * (s[0] * sin(angle) + b * cos(angle));
    }
    out->data[i] = at[3] ? im : re;
  }
}

#define KNOWN(value) SCALAR_AS(IG_I64, true, value)

#endif
