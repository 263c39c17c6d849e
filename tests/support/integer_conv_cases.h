/* What the cases of ConvInteger and QLinearConv share: the sums in float64, where they are exact, and
 * tensors of bytes. */
#ifndef IG_TESTS_INTEGER_CONV_CASES_H
#define IG_TESTS_INTEGER_CONV_CASES_H

#include <stdlib.h>

#include "conv_cases.h"

static inline double *less_zero(const ig_case_array *x, const ig_case_array *zero, int64_t inner) {
  int64_t count = ig_shape_count(&x->shape);
  double *y = malloc((size_t)count * sizeof *y + 1);
  if (!y) abort();
  for (int64_t i = 0; i < count; i++) {
    bool many = zero && ig_shape_count(&zero->shape) > 1;
    y[i] = x->data[i] - (zero ? zero->data[many ? i / inner : 0] : 0);
  }
  return y;
}

/* `p`, one, and `q`, one or one a channel, may be NULL. */
static inline void integer_conv(const ig_node *node, const ig_case_array *x, const ig_case_array *w,
                                const ig_case_array *p, const ig_case_array *q,
                                const ig_shape *result, double *y) {
  int64_t src[4], dst[4], filter = ig_shape_span(&w->shape, 1, w->shape.rank);
  int spatial = x->shape.rank - 2;
  window_numbers window;
  four_dims(&x->shape, src);
  four_dims(result, dst);
  find_window(node, spatial, w->shape.dims + 2, &window);
  find_begin(node, spatial, src + 2, dst + 2, &window);
  conv_arrays a = {less_zero(x, p, 1), less_zero(w, q, filter), y};
  memset(y, 0, (size_t)ig_shape_count(result) * sizeof *y);
  visit_conv(src, dst, &window, sum_dst, &a);
  free(a.src);
  free(a.filter);
}

#define INTEGERS(type, least, most, ...)                                                           \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = (least),              \
    .high = (most)                                                                                 \
  }
#define BYTES(...) INTEGERS(IG_U8, 0, 255, __VA_ARGS__)
#define SIGNED(...) INTEGERS(IG_I8, -128, 127, __VA_ARGS__)
/* One number, given when running. */
#define ONE(type, value)                                                                           \
  {                                                                                                \
    .dtype = (type), .shape = {0, {0}}, .fill = IG_FILL_VALUES, .values = (const double[]){value}, \
    .n_values = 1, .no_grad = true                                                                 \
  }

#endif
