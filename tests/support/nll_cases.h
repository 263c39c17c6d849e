/* NegativeLogLikelihoodLoss in float64. */
#ifndef IG_TESTS_NLL_CASES_H
#define IG_TESTS_NLL_CASES_H

#include "twin_cases.h"

static void nll_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int64_t ignore = attr_int(node, "ignore_index"), rows = count_of(&in[1]);
  int64_t inner = ig_shape_span(&in[0].shape, 2, in[0].shape.rank), classes = in[0].shape.dims[1];
  bool weighted = node->n_inputs > 2 && in[2].data;
  double total = 0, weight = 0;
  for (int64_t row = 0; row < rows; row++) {
    int64_t label = (int64_t)in[1].data[row], n = row / inner, at = row % inner;
    bool counts = label != ignore;
    double w = !counts ? 0 : weighted ? in[2].data[label] : 1;
    double loss = counts ? -w * in[0].data[(n * classes + label) * inner + at] : 0;
    if (attr_is(node, "reduction", "none")) out->data[row] = loss;
    total += loss;
    weight += w;
  }
  if (attr_is(node, "reduction", "sum")) out->data[0] = total;
  if (attr_is(node, "reduction", "mean")) out->data[0] = total / weight;
}

#endif
