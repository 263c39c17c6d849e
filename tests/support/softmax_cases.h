/* Cases and references of Softmax, LogSoftmax and their gradients. */
#ifndef IG_TESTS_SOFTMAX_CASES_H
#define IG_TESTS_SOFTMAX_CASES_H

#include "elementwise_cases.h"

#define AXIS(value) .n_attrs = 1, .attrs = {{.name = "axis", .type = IG_ATTR_INT, .i = (value)}}
#define LOGITS(...) SPREAD(IG_F32, -6, 6, __VA_ARGS__)

/* One row of a tensor along the axis, the first attribute. */
typedef struct test_row {
  int64_t first, n, step;
} test_row;

static inline test_row row_of(const ig_node *node, const ig_shape *shape, int64_t t) {
  int axis = ig_shape_axis(shape, *(const int64_t *)node->attrs);
  int64_t n = shape->dims[axis], step = ig_shape_span(shape, axis + 1, shape->rank);
  return (test_row){.first = t / step * step * n + t % step, .n = n, .step = step};
}

static inline void softmax_reference(const ig_node *node, const ig_case_array *in,
                                     ig_case_array *out, bool as_log) {
  int axis = ig_shape_axis(&out->shape, *(const int64_t *)node->attrs);
  int64_t rows = ig_shape_count(&out->shape) / IG_MAX(1, out->shape.dims[axis]);
  for (int64_t t = 0; t < rows; t++) {
    test_row r = row_of(node, &out->shape, t);
    double most = -INFINITY, total = 0;
    for (int64_t i = 0; i < r.n; i++) most = fmax(most, in[0].data[r.first + i * r.step]);
    for (int64_t i = 0; i < r.n; i++) total += exp(in[0].data[r.first + i * r.step] - most);
    for (int64_t i = 0; i < r.n; i++) {
      double log_p = in[0].data[r.first + i * r.step] - most - log(total);
      out->data[r.first + i * r.step] = as_log ? log_p : exp(log_p);
    }
  }
}

/* dx_i = sum_j dy_j dy_j/dx_i with the whole Jacobian, from y = softmax(x) or its logarithm:
 * d p_j / d x_i = p_j ([i = j] - p_i), d log p_j / d x_i = [i = j] - p_i. */
static inline void softmax_grad_reference(const ig_node *node, const ig_case_array *in,
                                          ig_case_array *out, bool as_log) {
  int axis = ig_shape_axis(&out->shape, *(const int64_t *)node->attrs);
  int64_t rows = ig_shape_count(&out->shape) / IG_MAX(1, out->shape.dims[axis]);
  for (int64_t t = 0; t < rows; t++) {
    test_row r = row_of(node, &out->shape, t);
    for (int64_t i = 0; i < r.n; i++) {
      double y_i = in[1].data[r.first + i * r.step], sum = 0, p_i = as_log ? exp(y_i) : y_i;
      for (int64_t j = 0; j < r.n; j++) {
        double y_j = in[1].data[r.first + j * r.step];
        sum += in[0].data[r.first + j * r.step] * (as_log ? 1 : y_j) * ((i == j) - p_i);
      }
      out->data[r.first + i * r.step] = sum;
    }
  }
}

static const double extreme_logits[] = {0, 1000, -1000, 3, 1000, 999};

#define SOFTMAX_CASES                                                                              \
  {.name = "rows", .inputs = {LOGITS(5, 37)}},                                                     \
  {.name = "vector", .inputs = {LOGITS(9)}, AXIS(0)},                                              \
  {.name = "one class", .inputs = {LOGITS(4, 1)}},                                                 \
  {.name = "middle", .inputs = {LOGITS(2, 11, 7)}, AXIS(1)},                                       \
  {.name = "first", .inputs = {LOGITS(6, 5, 4)}, AXIS(-3)},                                        \
  {.name = "tiles", .inputs = {LOGITS(2, 5, 130)}, AXIS(1)},                                       \
  {.name = "long", .inputs = {LOGITS(2, 1300)}},                                                   \
  {.name = "extreme", .inputs = {{.dtype = IG_F32, .shape = DIMS(2, 3), .fill = IG_FILL_VALUES,    \
                                  .values = extreme_logits, .n_values = 6}}},                      \
  {.name = "threads", .inputs = {LOGITS(40, 300)}, .no_grad_check = true, .why = REASON_SIZE},     \
  {.name = "threads middle", .inputs = {LOGITS(3, 30, 200)}, AXIS(1), .no_grad_check = true,       \
   .why = REASON_SIZE},                                                                            \
  {.name = "beyond registers", .inputs = {LOGITS(2, 8200)}, .no_grad_check = true,                 \
   .why = REASON_SIZE},                                                                            \
  {.name = "no rows", .inputs = {LOGITS(0, 5)}},                                                   \
  {.name = "no classes", .inputs = {LOGITS(5, 0)}},                                                \
  {.name = "f64", .inputs = {SPREAD(IG_F64, -6, 6, 3, 5)}}

/* y is drawn without being a softmax: the formula must hold as it stands. */
#define SOFTMAX_GRAD_CASES(lo, hi)                                                                 \
  {.name = "rows", .inputs = {LOGITS(5, 37), SPREAD(IG_F32, lo, hi, 5, 37)}},                      \
  {.name = "middle", .inputs = {LOGITS(2, 11, 7), SPREAD(IG_F32, lo, hi, 2, 11, 7)}, AXIS(1)},     \
  {.name = "tiles", .inputs = {LOGITS(2, 5, 130), SPREAD(IG_F32, lo, hi, 2, 5, 130)}, AXIS(1)},    \
  {.name = "several warps a row",                                                                  \
   .inputs = {LOGITS(3, 1304), SPREAD(IG_F32, lo, hi, 3, 1304)}, .tolerance = 1e-4},               \
  {.name = "threads", .inputs = {LOGITS(60, 300), SPREAD(IG_F32, lo, hi, 60, 300)},                \
   .tolerance = 1e-4},                                                                             \
  {.name = "threads middle", .inputs = {LOGITS(3, 30, 200), SPREAD(IG_F32, lo, hi, 3, 30, 200)},   \
   AXIS(1), .tolerance = 1e-4},                                                                    \
  {.name = "f64", .inputs = {SPREAD(IG_F64, -6, 6, 3, 5), SPREAD(IG_F64, lo, hi, 3, 5)}}

#endif
