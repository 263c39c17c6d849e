/* Cases of Sum, Mean, Max and Min. FOLD_REFERENCE(step, end): `sum` is the result so far, `x` the next
 * operand's number, `n` how many operands there are. */
#ifndef IG_TESTS_FOLD_CASES_H
#define IG_TESTS_FOLD_CASES_H

#include "elementwise_cases.h"

#define FOLD_REFERENCE(step, end)                                                                  \
  static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {        \
    int64_t count = ig_shape_count(&out->shape);                                                   \
    int n = node->n_inputs;                                                                        \
    for (int64_t i = 0; i < count; i++) {                                                          \
      double sum = broadcast_at(&in[0], &out->shape, i);                                           \
      for (int k = 1; k < n; k++) {                                                                \
        double x = broadcast_at(&in[k], &out->shape, i);                                           \
        sum = (step);                                                                              \
      }                                                                                            \
      out->data[i] = (end);                                                                        \
    }                                                                                              \
  }

static const double with_nan[] = {NAN, 1, -2}, without_nan[] = {3, NAN, -5};
#define LISTED(list)                                                                               \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(3), .fill = IG_FILL_VALUES, .values = (list), .n_values = 3,    \
    .no_grad = true                                                                                \
  }

#define FOLD_CASES                                                                                 \
  BINARY_CASES(-4, 4), {.name = "one", .inputs = {SPREAD(IG_F32, -4, 4, 3, 37)}},                  \
      {.name = "three", .inputs = {SPREAD(IG_F32, -4, 4, 2, 3), SPREAD(IG_F32, -4, 4, 3),          \
                                   SPREAD(IG_F32, -4, 4, 2, 1)}},                                  \
      {.name = "scalar first", .inputs = {SPREAD(IG_F32, -4, 4, 1), SPREAD(IG_F32, -4, 4, 5, 7),   \
                                          SPREAD(IG_F32, -4, 4, 7)}},                              \
      {.name = "chunks", .inputs = {SPREAD(IG_F32, -4, 4, 7, 331), SPREAD(IG_F32, -4, 4, 331),     \
                                    SPREAD(IG_F32, -4, 4, 7, 1)}},                                 \
      {.name = "three f64", .inputs = {SPREAD(IG_F64, -4, 4, 9), SPREAD(IG_F64, -4, 4, 9),         \
                                       SPREAD(IG_F64, -4, 4, 1)}},                                 \
      {.name = "NaN", .inputs = {LISTED(with_nan), LISTED(without_nan)}},                          \
      {.name = "NaN later", .inputs = {LISTED(without_nan), LISTED(with_nan), LISTED(with_nan)}}

#endif
