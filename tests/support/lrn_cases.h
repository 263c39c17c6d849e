/* What the cases of LRN and its gradient share. */
#ifndef IG_TESTS_LRN_CASES_H
#define IG_TESTS_LRN_CASES_H

#include "case_tools.h"

/* Whether `other` is in the window of `channel`. */
static inline bool in_window(const ig_node *node, int64_t channel, int64_t other) {
  int64_t size = attr_int(node, "size"), less = (size - 1) / 2;
  return other >= channel - less && other <= channel + (size - 1 - less);
}

static inline int64_t channel_of(const ig_shape *shape, int64_t i) {
  return i / ig_shape_span(shape, 2, shape->rank) % shape->dims[1];
}

/* The element beside `i` in another channel. */
static inline int64_t in_channel(const ig_shape *shape, int64_t i, int64_t channel) {
  return i + (channel - channel_of(shape, i)) * ig_shape_span(shape, 2, shape->rank);
}

static inline double base_of(const ig_node *node, const ig_case_array *x, int64_t i) {
  double sum = 0;
  for (int64_t c = 0; c < x->shape.dims[1]; c++) {
    double v = x->data[in_channel(&x->shape, i, c)];
    if (in_window(node, channel_of(&x->shape, i), c)) sum += v * v;
  }
  return attr_float(node, "bias") +
         attr_float(node, "alpha") / (double)attr_int(node, "size") * sum;
}

#define LRN(size, alpha, beta, bias)                                                               \
  .n_attrs = 4, .attrs = {A_INT("size", size), A_FLOAT("alpha", alpha), A_FLOAT("beta", beta),     \
                          A_FLOAT("bias", bias)}

#endif
