/* AffineGrid in float64: the pixel's centre, or the corner's distance, from -1 to 1 by steps. */
#ifndef IG_TESTS_AFFINE_GRID_CASES_H
#define IG_TESTS_AFFINE_GRID_CASES_H

#include "twin_cases.h"

static void affine_grid_reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  int axes = out->shape.rank - 2;
  bool corners = attr_int(node, "align_corners") != 0;
  for (int64_t i = 0; i < count_of(out); i++) {
    int64_t at[IG_MAX_RANK];
    index_of(&out->shape, i, at);
    const double *row = in[0].data + (at[0] * axes + at[axes + 1]) * (axes + 1);
    out->data[i] = row[axes];
    for (int k = 0; k < axes; k++) {
      double n = (double)out->shape.dims[axes - k], step = corners ? 2 / (n - 1) : 2 / n;
      out->data[i] += row[k] * ((corners ? -1 : -1 + step / 2) + step * (double)at[axes - k]);
    }
  }
}

#endif
