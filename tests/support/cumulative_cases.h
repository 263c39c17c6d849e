/* What the cases of the cumulative operators share. */
#ifndef IG_TESTS_CUMULATIVE_CASES_H
#define IG_TESTS_CUMULATIVE_CASES_H

#include "case_tools.h"

/* Whether element j is among those that result i is made of, along the axis. */
static inline bool takes_part(const ig_node *node, int64_t i, int64_t j) {
  if (i == j) return !attr_int(node, "exclusive");
  return attr_int(node, "reverse") ? j > i : j < i;
}

/* Coordinate along `axis` of element `at`, and the element at coordinate `to` beside it. */
static inline int64_t place_of(const ig_shape *shape, int axis, int64_t at) {
  return at / ig_shape_span(shape, axis + 1, shape->rank) % shape->dims[axis];
}

static inline int64_t beside(const ig_shape *shape, int axis, int64_t at, int64_t to) {
  return at + (to - place_of(shape, axis, at)) * ig_shape_span(shape, axis + 1, shape->rank);
}

#define ALONG(value) SCALAR_AS(IG_I64, false, value)
#define WAYS(exclusive_, reverse_)                                                                 \
  .n_attrs = 2, .attrs = {A_INT("exclusive", exclusive_), A_INT("reverse", reverse_)}

#endif
