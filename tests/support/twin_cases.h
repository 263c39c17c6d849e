/* The float64 reference of a gradient operator that stands beside a forward one (engine/ops/doubles.h):
 * central differences of the forward operator's reference, weighted by the gradients given. Costs two
 * forward references an element, so the cases are small. */
#ifndef IG_TESTS_TWIN_CASES_H
#define IG_TESTS_TWIN_CASES_H

#include <stdlib.h>

#include "case_tools.h"

#define TWIN_STEP 1e-6

static inline double twin_sum(const ig_node *node, ig_case_reference forward, int n_in, int n_out,
                              const ig_case_array *in, ig_case_array *y) {
  double sum = 0;
  for (int o = 0; o < n_out; o++) {
    if (y[o].data) memset(y[o].data, 0, (size_t)count_of(&y[o]) * sizeof(double));
  }
  forward(node, in, y);
  for (int o = 0; o < n_out; o++) {
    const double *dy = in[n_in + o].data;
    for (int64_t i = 0; dy && i < count_of(&y[o]); i++) sum += dy[i] * y[o].data[i];
  }
  return sum;
}

/* Outputs without a gradient have no data for the forward reference. */
static inline void twin_reference(const ig_node *node, ig_case_reference forward, int n_in,
                                  int n_out, unsigned wrt, const ig_case_array *in,
                                  ig_case_array *out) {
  ig_case_array y[IG_CASE_MAX_OUTPUTS] = {{.data = NULL}};
  for (int o = 0; o < n_out; o++) {
    bool given = n_in + o < node->n_inputs && in[n_in + o].data;
    if (!given) continue;
    y[o].shape = in[n_in + o].shape;
    y[o].data = malloc((size_t)count_of(&y[o]) * sizeof(double) + 1);
  }
  int k = 0;
  for (int i = 0; i < n_in; i++) {
    if (!(wrt >> i & 1) || !in[i].data) continue;
    for (int64_t e = 0; e < count_of(&in[i]); e++) {
      double x = in[i].data[e], h = TWIN_STEP * fmax(1, fabs(x));
      in[i].data[e] = x + h;
      double above = twin_sum(node, forward, n_in, n_out, in, y);
      in[i].data[e] = x - h;
      double below = twin_sum(node, forward, n_in, n_out, in, y);
      in[i].data[e] = x;
      out[k].data[e] = (above - below) / (2 * h);
    }
    k++;
  }
  for (int o = 0; o < n_out; o++) free(y[o].data);
}

#endif
