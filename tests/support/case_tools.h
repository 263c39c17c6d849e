/* For case files of operators on whole tensors: rows of a case table, attributes by name, and walks
 * over multi-indices. */
#ifndef IG_TESTS_CASE_TOOLS_H
#define IG_TESTS_CASE_TOOLS_H

#include <math.h>
#include <string.h>

#include "engine/graph/attrs.h"
#include "op_case.h"

#define DIMS(...)                                                                                  \
  {                                                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), { __VA_ARGS__ }                     \
  }
#define NO_DIMS                                                                                    \
  { 0, {0} }

/* Standard normal floats; the same that are not differentiated; integers of a range. */
#define NORMAL(type, ...)                                                                          \
  { .dtype = (type), .shape = DIMS(__VA_ARGS__) }
#define FIXED(type, ...)                                                                           \
  { .dtype = (type), .shape = DIMS(__VA_ARGS__), .no_grad = true }
#define POSITIVE(type, ...)                                                                        \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 0.5, .high = 2,   \
    .no_grad = true                                                                                \
  }
#define INTS(type, lo, hi, ...)                                                                    \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = (lo), .high = (hi)    \
  }
#define ABSENT                                                                                     \
  { .fill = IG_FILL_ABSENT }
/* Listed numbers: known at plan time, or given when running. */
#define COUNT_OF(...) (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double))
#define LIST_AS(type, known, ...)                                                                  \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(COUNT_OF(__VA_ARGS__)), .fill = IG_FILL_VALUES,                 \
    .values = (const double[]){__VA_ARGS__}, .n_values = COUNT_OF(__VA_ARGS__),                    \
    .constant = (known), .no_grad = true                                                           \
  }
#define LIST(...) LIST_AS(IG_I64, true, __VA_ARGS__)
#define SCALAR_AS(type, known, value)                                                              \
  {                                                                                                \
    .dtype = (type), .shape = NO_DIMS, .fill = IG_FILL_VALUES, .values = (const double[]){value},  \
    .n_values = 1, .constant = (known), .no_grad = true                                            \
  }
#define EMPTY_LIST(type)                                                                           \
  { .dtype = (type), .shape = DIMS(0), .constant = true, .no_grad = true }

#define A_INT(key, value)                                                                          \
  { .name = (key), .type = IG_ATTR_INT, .i = (value) }
#define A_FLOAT(key, value)                                                                        \
  { .name = (key), .type = IG_ATTR_FLOAT, .f = (value) }
#define A_STRING(key, value)                                                                       \
  { .name = (key), .type = IG_ATTR_STRING, .s = (value) }
#define A_INTS(key, ...)                                                                           \
  {                                                                                                \
    .name = (key), .type = IG_ATTR_INTS, .ints = {                                                 \
      (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                                   \
      (const int64_t[]){__VA_ARGS__}                                                               \
    }                                                                                              \
  }

#define BIG .no_grad_check = true, .why = "only the size differs from the other cases"

static inline ig_attr attr_of(const ig_node *node, const char *name) {
  return ig_attrs_get(ig_attrs_field(node->op, name), node->attrs);
}

static inline int64_t attr_int(const ig_node *node, const char *name) {
  return attr_of(node, name).i;
}

static inline double attr_float(const ig_node *node, const char *name) {
  return (double)attr_of(node, name).f;
}

static inline bool attr_is(const ig_node *node, const char *name, const char *value) {
  return strcmp(attr_of(node, name).s, value) == 0;
}

static inline int64_t count_of(const ig_case_array *array) {
  return ig_shape_count(&array->shape);
}

/* The axis attribute, or any number, made non-negative. */
static inline int axis_of(int64_t axis, const ig_shape *shape) {
  return (int)(axis < 0 ? axis + shape->rank : axis);
}

/* Coordinates of element `i`, and back. */
static inline void index_of(const ig_shape *shape, int64_t i, int64_t index[IG_MAX_RANK]) {
  for (int d = shape->rank - 1; d >= 0; d--) {
    index[d] = i % shape->dims[d];
    i /= shape->dims[d];
  }
}

static inline int64_t offset_of(const ig_shape *shape, const int64_t *index) {
  int64_t offset = 0;
  for (int d = 0; d < shape->rank; d++) offset = offset * shape->dims[d] + index[d];
  return offset;
}

/* out = in, element by element in row-major order. */
static inline void copy_reference(const ig_node *node, const ig_case_array *in,
                                  ig_case_array *out) {
  IG_UNUSED(node);
  memcpy(out->data, in->data, (size_t)count_of(in) * sizeof(double));
}

#endif
