/* Cases and reference of the reductions: every arrangement of kept and reduced dimensions that the
 * kernel tells apart, below and above the size where a result is cut into blocks. */
#ifndef IG_TESTS_REDUCE_CASES_H
#define IG_TESTS_REDUCE_CASES_H

#include <math.h>
#include <stdlib.h>

#include "elementwise_cases.h"

/* Whether dimension d is reduced, from the operands; in[1] holds the axes. */
static inline bool is_reduced(const ig_case_array *in, int d, bool none_means_all) {
  int64_t n = in[1].data ? ig_shape_count(&in[1].shape) : 0;
  for (int64_t i = 0; i < n; i++) {
    if ((int)in[1].data[i] == d || (int)in[1].data[i] + in[0].shape.rank == d) return true;
  }
  return n == 0 && none_means_all;
}

/* out[to] = fold(out[to], element) from `start` on, for every element. */
static inline void reduce_fold(const ig_node *node, const ig_case_array *in, ig_case_array *out,
                               double start, double (*fold)(double total, double x)) {
  bool all = ((const int64_t *)node->attrs)[1] == 0; /* noop_with_empty_axes is second */
  const ig_case_array none[2] = {in[0], {.data = NULL}};
  if (node->n_inputs < 2) in = none;
  int64_t n = ig_shape_count(&in[0].shape), results = ig_shape_count(&out->shape);
  for (int64_t i = 0; i < results; i++) out->data[i] = start;
  for (int64_t i = 0; i < n; i++) {
    int64_t rest = i, to = 0, stride = 1;
    for (int d = in[0].shape.rank - 1; d >= 0; d--) {
      int64_t index = rest % in[0].shape.dims[d];
      rest /= in[0].shape.dims[d];
      if (is_reduced(in, d, all)) continue;
      to += index * stride;
      stride *= in[0].shape.dims[d];
    }
    out->data[to] = fold(out->data[to], in[0].data[i]);
  }
}

static inline double fold_sum(double total, double x) {
  return total + x;
}

/* f of every result; integers are truncated. */
static inline void reduce_finish(const ig_node *node, ig_case_array *out, double (*f)(double)) {
  bool whole = ig_dtype_is_int(node->outputs[0]->dtype);
  for (int64_t i = 0; i < ig_shape_count(&out->shape); i++) {
    double y = f(out->data[i]);
    out->data[i] = whole ? trunc(y) : y;
  }
}

/* Adds every element to its result; `most` starts from -infinity and takes the maximum. */
static inline void reduce_reference(const ig_node *node, const ig_case_array *in,
                                    ig_case_array *out, bool most, bool mean) {
  reduce_fold(node, in, out, most ? -INFINITY : 0, most ? fmax : fold_sum);
  int64_t n = ig_shape_count(&in[0].shape), results = ig_shape_count(&out->shape);
  for (int64_t i = 0; i < results && mean; i++) {
    double each = (double)n / (double)results;
    out->data[i] = ig_dtype_is_int(node->outputs[0]->dtype) ? trunc(out->data[i] / each)
                                                            : out->data[i] / each;
  }
}

static const double axes_0[] = {0}, axes_1[] = {1}, axes_last[] = {-1}, axes_02[] = {0, 2},
                    axes_023[] = {0, 2, 3}, axes_13[] = {1, 3}, axes_23[] = {2, 3};

#define AXES(list)                                                                                 \
  {                                                                                                \
    .dtype = IG_I64, .shape = DIMS(IG_COUNT(list)), .fill = IG_FILL_VALUES, .values = (list),      \
    .n_values = IG_COUNT(list), .constant = true                                                   \
  }
#define FLAT .n_attrs = 1, .attrs = {{.name = "keepdims", .type = IG_ATTR_INT, .i = 0}}
#define NOOP .n_attrs = 1, .attrs = {{.name = "noop_with_empty_axes", .type = IG_ATTR_INT, .i = 1}}
#define BIG .no_grad_check = true, .why = REASON_SIZE
#define INTS_OF(type)                                                                              \
  { .dtype = (type), .shape = DIMS(3, 5, 4), .fill = IG_FILL_INT, .low = 0, .high = 9 }

/* Distinct values in [lo, 1], so that maxima have no ties and sums of thousands stay small. */
#define REDUCE_CASES_FROM(lo)                                                                             \
  {.name = "all", .inputs = {SPREAD(IG_F32, lo, 1, 3, 4, 5)}},                                     \
  {.name = "all flat", .inputs = {SPREAD(IG_F32, lo, 1, 3, 4, 5)}, FLAT},                          \
  {.name = "scalar", .inputs = {{.dtype = IG_F32}}},                                               \
  {.name = "noop", .inputs = {SPREAD(IG_F32, lo, 1, 3, 4)}, NOOP},                                 \
  {.name = "rows", .inputs = {SPREAD(IG_F32, lo, 1, 6, 37), AXES(axes_last)}},                     \
  {.name = "rows flat", .inputs = {SPREAD(IG_F32, lo, 1, 6, 37), AXES(axes_1)}, FLAT},             \
  {.name = "columns", .inputs = {SPREAD(IG_F32, lo, 1, 37, 6), AXES(axes_0)}, FLAT},               \
  {.name = "middle", .inputs = {SPREAD(IG_F32, lo, 1, 3, 7, 5), AXES(axes_1)}},                    \
  {.name = "outer", .inputs = {SPREAD(IG_F32, lo, 1, 3, 7, 5), AXES(axes_02)}, FLAT},              \
  {.name = "channel", .inputs = {SPREAD(IG_F32, lo, 1, 3, 6, 4, 5), AXES(axes_023)}, FLAT},        \
  {.name = "area", .inputs = {SPREAD(IG_F32, lo, 1, 3, 6, 4, 5), AXES(axes_23)}},                  \
  {.name = "alternate", .inputs = {SPREAD(IG_F32, lo, 1, 3, 4, 5, 6), AXES(axes_13)}},             \
  {.name = "alternate kept", .inputs = {SPREAD(IG_F32, lo, 1, 3, 4, 5, 6), AXES(axes_02)}},        \
  {.name = "long row", .inputs = {SPREAD(IG_F32, lo, 1, 2, 50001), AXES(axes_1)}, BIG},            \
  {.name = "long row in packs", .inputs = {SPREAD(IG_F32, 0, 1, 2, 50000), AXES(axes_1)}, BIG},    \
  {.name = "many rows", .inputs = {SPREAD(IG_F32, lo, 1, 3001, 17), AXES(axes_0)}, BIG},           \
  {.name = "wide rows", .inputs = {SPREAD(IG_F32, lo, 1, 21, 9001), AXES(axes_0)}, BIG},           \
  {.name = "tall, wide", .inputs = {SPREAD(IG_F32, lo, 1, 515, 1540), AXES(axes_0)}, BIG},         \
  {.name = "big channel", .inputs = {SPREAD(IG_F32, lo, 1, 9, 5, 40, 41), AXES(axes_023)}, BIG},   \
  {.name = "big middle", .inputs = {SPREAD(IG_F32, lo, 1, 3, 700, 33), AXES(axes_1)}, BIG},        \
  {.name = "empty result", .inputs = {SPREAD(IG_F32, lo, 1, 0, 3), AXES(axes_1)}},                 \
  {.name = "f64", .inputs = {SPREAD(IG_F64, lo, 1, 3, 4, 5), AXES(axes_02)}},                      \
  {.name = "i64", .inputs = {INTS_OF(IG_I64), AXES(axes_1)}},                                      \
  {.name = "i32", .inputs = {INTS_OF(IG_I32), AXES(axes_02)}},                                     \
  {.name = "u8", .inputs = {{.dtype = IG_U8, .shape = DIMS(3, 5, 4), .fill = IG_FILL_INT, .high = 4}}}

#define REDUCE_CASES REDUCE_CASES_FROM(-1)
#define EMPTY_CASE {.name = "nothing", .inputs = {SPREAD(IG_F32, -1, 1, 3, 0), AXES(axes_1)}}
#define BOOLS {.name = "bool", .inputs = {{.dtype = IG_BOOL, .shape = DIMS(6, 2), .fill = IG_FILL_INT, .high = 1}, AXES(axes_1)}}

#endif
