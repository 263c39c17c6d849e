/* What tests of run-time values share: tensors of numbers, and checks of what came out. */
#ifndef IG_TESTS_DATA_CHECKS_H
#define IG_TESTS_DATA_CHECKS_H

#include <string.h>

#include "graph_run.h"

#include "engine/plan/interpret.h"

/* A tensor of `count` values; `shape` must have as many elements. */
static inline ig_datum *tensor(ig_dtype dtype, ig_shape shape, const double *values) {
  ig_datum *datum = NULL;
  GOOD(ig_datum_tensor(dtype, &shape, &datum));
  for (int64_t i = 0; i < ig_shape_count(&shape); i++) {
    ig_store_f64(dtype, datum->data, i, values[i]);
  }
  return datum;
}
#define VALUES(...) ((const double[]){__VA_ARGS__})
/* A vector of the values listed. */
#define VECTOR(dtype, ...)                                                                         \
  tensor(dtype, IG_SHAPE((int64_t)(sizeof VALUES(__VA_ARGS__) / sizeof(double))),                  \
         VALUES(__VA_ARGS__))

static inline ig_datum *scalar(ig_dtype dtype, double value) {
  return tensor(dtype, IG_SCALAR, &value);
}

static inline void same_values(const ig_datum *got, ig_dtype dtype, ig_shape shape,
                               const double *want) {
  assert_non_null(got);
  assert_int_equal(got->kind, IG_DATUM_TENSOR);
  assert_string_equal(ig_dtype_name(got->dtype), ig_dtype_name(dtype));
  assert_string_equal(IG_SHAPE_STR(&got->shape), IG_SHAPE_STR(&shape));
  for (int64_t i = 0; i < ig_shape_count(&shape); i++) {
    double value = ig_load_f64(dtype, got->data, i);
    if (value != want[i]) fail_msg("element %d is %g, expected %g", (int)i, value, want[i]);
  }
}
#define SAME_VECTOR(got, dtype, ...)                                                               \
  same_values(got, dtype, IG_SHAPE((int64_t)(sizeof VALUES(__VA_ARGS__) / sizeof(double))),        \
              VALUES(__VA_ARGS__))

static inline ig_interpreter *interpreter_with(size_t memory_limit, int64_t step_limit) {
  const ig_interpreter_options options = {
      .seed = 7, .memory_limit = memory_limit, .step_limit = step_limit};
  ig_interpreter *interpreter = NULL;
  GOOD(ig_interpreter_create(&options, &interpreter));
  return interpreter;
}

/* A template whose nodes are inferred later. */
static inline ig_graph *deferred(const char *name) {
  ig_graph *g = NULL;
  GOOD(ig_graph_create(name, &g));
  g->deferred = true;
  return g;
}

/* An input all of whose dimensions are free, with symbols of its own. */
static inline ig_value *free_input(ig_graph *g, const char *name, ig_dtype dtype, int rank) {
  ig_shape shape = {.rank = rank};
  for (int d = 0; d < rank; d++) shape.dims[d] = 1;
  ig_value *value = ig_graph_input(g, name, dtype, shape);
  char symbol[64];
  for (int d = 0; d < rank; d++) {
    snprintf(symbol, sizeof symbol, "%s.%d", name, d);
    ig_value_set_symbol(g, value, d, symbol);
  }
  return value;
}

static inline ig_value *make1(ig_graph *g, const char *op, ig_value *a) {
  return ig_op1(g, op, NULL, IG_INS(a), IG_NO_ATTRS);
}

static inline ig_value *make2(ig_graph *g, const char *op, ig_value *a, ig_value *b) {
  return ig_op1(g, op, NULL, IG_INS(a, b), IG_NO_ATTRS);
}

static inline void release(int n, ig_datum **data) {
  for (int i = 0; i < n; i++) {
    ig_datum_release(data[i]);
    data[i] = NULL;
  }
}

#endif
