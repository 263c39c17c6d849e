/* A batched matrix product in float64, from the definition: every index by its own arithmetic. */
#ifndef IG_TESTS_PRODUCT_REFERENCE_H
#define IG_TESTS_PRODUCT_REFERENCE_H

#include "engine/passes/rewrite.h"
#include "op_case.h"

/* The element of `x` at `index`, whose last dims match `rank` dims; dims of 1 repeat. */
static double element(const ig_case_array *x, const int64_t *index, int rank) {
  int64_t at = 0;
  for (int d = 0; d < x->shape.rank; d++) {
    int64_t i = index[rank - x->shape.rank + d];
    at = at * x->shape.dims[d] + (x->shape.dims[d] == 1 ? 0 : i);
  }
  return x->data[at];
}

/* alpha a' b' + beta c. A vector on the left is a row, on the right a column. */
static void product_reference(const ig_case_array *in, int n_in, ig_case_array *out, bool trans_a,
                              bool trans_b, double alpha, double beta) {
  ig_case_array a = in[0], b = in[1];
  ig_shape y = out->shape;
  bool row = a.shape.rank == 1, column = b.shape.rank == 1;
  if (row) a.shape = IG_SHAPE(1, a.shape.dims[0]);
  if (column) b.shape = IG_SHAPE(b.shape.dims[0], 1);
  if (column) y.dims[y.rank++] = 1;
  if (row) {
    y.dims[y.rank] = y.dims[y.rank - 1];
    y.dims[y.rank++ - 1] = 1;
  }
  int64_t depth = a.shape.dims[a.shape.rank - (trans_a ? 2 : 1)], count = ig_shape_count(&y);
  for (int64_t at = 0; at < count; at++) {
    int64_t index[IG_MAX_RANK + 2], rest = at;
    for (int d = y.rank - 1; d >= 0; d--) {
      index[d] = rest % y.dims[d];
      rest /= y.dims[d];
    }
    int64_t i = index[y.rank - 2], j = index[y.rank - 1];
    double sum = 0;
    for (int64_t k = 0; k < depth; k++) {
      index[y.rank - 2] = trans_a ? k : i;
      index[y.rank - 1] = trans_a ? i : k;
      double left = element(&a, index, y.rank);
      index[y.rank - 2] = trans_b ? j : k;
      index[y.rank - 1] = trans_b ? k : j;
      sum += left * element(&b, index, y.rank);
    }
    index[y.rank - 2] = i;
    index[y.rank - 1] = j;
    out->data[at] = alpha * sum;
    if (n_in > 2 && in[2].data && beta != 0) out->data[at] += beta * element(&in[2], index, y.rank);
  }
}

#define MATRIX(...)                                                                                \
  {                                                                                                \
    .dtype = IG_F32, .shape = { __VA_ARGS__ }                                                      \
  }

#endif
