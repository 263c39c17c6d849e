/* What the cases of the scattering operators share: how an update joins what is there. */
#ifndef IG_TESTS_SCATTER_CASES_H
#define IG_TESTS_SCATTER_CASES_H

#include "case_tools.h"

static inline double joined(const ig_node *node, double old, double update) {
  if (attr_is(node, "reduction", "add")) return old + update;
  if (attr_is(node, "reduction", "mul")) return old * update;
  if (attr_is(node, "reduction", "min")) return fmin(old, update);
  if (attr_is(node, "reduction", "max")) return fmax(old, update);
  return update;
}

#define APART(type, ...) /* no two equal, so that extremes have no ties */                         \
  { .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_DISTINCT, .low = -3, .high = 4 }
#define HOW(value) .n_attrs = 1, .attrs = {A_STRING("reduction", value)}

#endif
