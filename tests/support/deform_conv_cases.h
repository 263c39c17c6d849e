/* DeformConv in float64: every result asks every element of the input for its share. */
#ifndef IG_TESTS_DEFORM_CONV_CASES_H
#define IG_TESTS_DEFORM_CONV_CASES_H

#include "twin_cases.h"

static int64_t deform_int(const ig_node *node, const char *name, int i, int64_t fallback) {
  ig_ints ints = attr_of(node, name).ints;
  return i < ints.n ? ints.v[i] : fallback;
}

static void deform_conv_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  const int64_t *x = in[0].shape.dims, *w = in[1].shape.dims;
  int64_t group = attr_int(node, "group"), parts = attr_int(node, "offset_group"), taps = w[2] * w[3];
  int64_t area = out->shape.dims[2] * out->shape.dims[3];
  bool masked = node->n_inputs > 4 && in[4].data, biased = node->n_inputs > 3 && in[3].data;
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t at[IG_MAX_RANK], p = i % area;
    index_of(&out->shape, i, at);
    out->data[i] = biased ? in[3].data[at[1]] : 0;
    for (int64_t ck = 0; ck < w[1] * taps; ck++) {
      int64_t k = ck % taps, c = at[1] / (w[0] / group) * w[1] + ck / taps;
      int64_t entry = (at[0] * parts + c / (x[1] / parts)) * taps + k;
      double row = (double)(at[2] * deform_int(node, "strides", 0, 1) - deform_int(node, "pads", 0, 0) +
                            k / w[3] * deform_int(node, "dilations", 0, 1)) +
                   in[2].data[2 * entry * area + p];
      double column = (double)(at[3] * deform_int(node, "strides", 1, 1) -
                               deform_int(node, "pads", 1, 0) +
                               k % w[3] * deform_int(node, "dilations", 1, 1)) +
                      in[2].data[(2 * entry + 1) * area + p];
      double sum = 0;
      for (int64_t s = 0; s < x[2] * x[3]; s++) {
        double weight = fmax(0, 1 - fabs(row - (double)(s / x[3]))) *
                        fmax(0, 1 - fabs(column - (double)(s % x[3])));
        sum += weight * in[0].data[(at[0] * x[1] + c) * x[2] * x[3] + s];
      }
      out->data[i] += sum * in[1].data[at[1] * w[1] * taps + ck] *
                      (masked ? in[4].data[entry * area + p] : 1);
    }
  }
}

#endif
