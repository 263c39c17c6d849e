/* Cases and references that the elementwise operators share: shapes that take each path of the
 * kernels (scalar, tail of a vector, threads, blocked layout with padding, empty), and the usual
 * broadcasts. Each case file gives the formula in double. */
#ifndef IG_TESTS_ELEMENTWISE_CASES_H
#define IG_TESTS_ELEMENTWISE_CASES_H

#include <math.h>

#include "op_case.h"

#define DIMS(...)                                                                                  \
  {                                                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), { __VA_ARGS__ }                     \
  }
#define NO_DIMS                                                                                    \
  { 0, {0} }

#define REASON_SIZE "only the size differs from the other cases"
#define REASON_SPECIAL "infinities and NaN have no finite difference"

static const double special_values[] = {0, -0.0, 1,      -1,       INFINITY, -INFINITY, NAN,
                                        3, -3,   1e-40, 1e-6, -1e-6, 20,     -20, 87,   -87,
                                        100, -100, 3e38, -3e38, 0.5, 6, -104, 0.65};

/* Formula of one operand `x`. */
#define UNARY_REFERENCE(formula)                                                                   \
  static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {        \
    IG_UNUSED(node);                                                                               \
    int64_t n = ig_shape_count(&out->shape);                                                       \
    for (int64_t i = 0; i < n; i++) {                                                              \
      double x = in[0].data[i];                                                                    \
      out->data[i] = (formula);                                                                    \
    }                                                                                              \
  }

#define SPREAD(type, lo, hi, ...)                                                             \
  { .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_DISTINCT, .low = (lo), .high = (hi) }

/* Rows of a case table; the range avoids kinks and leaves the domain's edge alone. The attributes of
 * the case are given after the bounds: .n_attrs = 1, .attrs = {...}. */
#define UNARY_CASES(lo, hi, ...)                                                                \
  {.name = "scalar", .inputs = {{.dtype = IG_F32, .shape = NO_DIMS, .fill = IG_FILL_UNIFORM,       \
                                 .low = (lo) + 0.3, .high = (hi)}}, __VA_ARGS__},               \
  {.name = "tail", .inputs = {SPREAD(IG_F32, lo, hi, 3, 37)}, __VA_ARGS__},                     \
  {.name = "image", .inputs = {SPREAD(IG_F32, lo, hi, 2, 20, 3, 3)}, __VA_ARGS__},              \
  {.name = "threads", .inputs = {SPREAD(IG_F32, lo, hi, 3, 12345)}, .no_grad_check = true,      \
   .why = REASON_SIZE, __VA_ARGS__},                                                               \
  {.name = "empty", .inputs = {SPREAD(IG_F32, lo, hi, 0, 3)}, __VA_ARGS__},                     \
  {.name = "f64", .inputs = {SPREAD(IG_F64, lo, hi, 41)}, __VA_ARGS__}

#define UNARY_SPECIAL_CASE(...)                                                                    \
  {.name = "special", .inputs = {{.dtype = IG_F32, .shape = DIMS(IG_COUNT(special_values)),        \
                                  .fill = IG_FILL_VALUES, .values = special_values,                \
                                  .n_values = IG_COUNT(special_values)}},                          \
   .no_grad_check = true, .why = REASON_SPECIAL, __VA_ARGS__}

#define UNARY_INT_CASES                                                                            \
  {.name = "i64", .inputs = {{.dtype = IG_I64, .shape = DIMS(19), .fill = IG_FILL_INT,             \
                              .low = -9, .high = 9}}},                                             \
  {.name = "i8", .inputs = {{.dtype = IG_I8, .shape = DIMS(19), .fill = IG_FILL_INT,               \
                             .low = -9, .high = 9}}}

#define UNARY_WHOLE_CASE(type, lo, hi)                                                             \
  {.name = #type, .inputs = {{.dtype = (type), .shape = DIMS(19), .fill = IG_FILL_INT,             \
                              .low = (lo), .high = (hi)}}}
/* The types that models made elsewhere have. */
#define UNARY_WIDE_CASES                                                                           \
  UNARY_WHOLE_CASE(IG_U8, 0, 255), UNARY_WHOLE_CASE(IG_U16, 0, 65535),                             \
  UNARY_WHOLE_CASE(IG_U32, 0, 4294967295.0), UNARY_WHOLE_CASE(IG_I16, -32767, 32767)

/* Element of operand `k` that belongs to element `i` of the result. */
static inline double broadcast_at(const ig_case_array *operand, const ig_shape *result, int64_t i) {
  int64_t strides[IG_MAX_RANK], at = 0;
  ig_shape_broadcast_strides(&operand->shape, result, strides);
  for (int d = result->rank - 1; d >= 0; d--) {
    at += i % result->dims[d] * strides[d];
    i /= result->dims[d];
  }
  return operand->data[at];
}

/* Formula of two operands `a` and `b`. */
#define BINARY_REFERENCE(formula)                                                                  \
  static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {        \
    IG_UNUSED(node);                                                                               \
    int64_t n = ig_shape_count(&out->shape);                                                       \
    for (int64_t i = 0; i < n; i++) {                                                              \
      double a = broadcast_at(&in[0], &out->shape, i);                                             \
      double b = broadcast_at(&in[1], &out->shape, i);                                             \
      out->data[i] = (formula);                                                                    \
    }                                                                                              \
  }

#define UNPACK(...) __VA_ARGS__
#define BINARY_CASE(title, type, lo, hi, a, b)                                                  \
  {.name = (title), .inputs = {SPREAD(type, lo, hi, UNPACK a), SPREAD(type, lo, hi, UNPACK b)}}

#define BINARY_CASES(lo, hi)                                                                    \
  BINARY_CASE("same", IG_F32, lo, hi, (3, 37), (3, 37)),                                        \
  BINARY_CASE("image", IG_F32, lo, hi, (2, 20, 3, 3), (2, 20, 3, 3)),                           \
  BINARY_CASE("one right", IG_F32, lo, hi, (5, 7), (1)),                                        \
  BINARY_CASE("one left", IG_F32, lo, hi, (1, 1), (5, 7)),                                      \
  BINARY_CASE("row", IG_F32, lo, hi, (2, 3, 19), (19)),                                         \
  BINARY_CASE("row left", IG_F32, lo, hi, (19), (2, 3, 19)),                                    \
  BINARY_CASE("channel", IG_F32, lo, hi, (2, 5, 3, 4), (1, 5, 1, 1)),                           \
  BINARY_CASE("leading", IG_F32, lo, hi, (6, 5), (6, 1)),                                       \
  BINARY_CASE("outer", IG_F32, lo, hi, (3, 1), (1, 4)),                                         \
  BINARY_CASE("mixed", IG_F32, lo, hi, (2, 1, 4, 1), (3, 1, 5)),                                \
  BINARY_CASE("empty", IG_F32, lo, hi, (0, 4), (4)),                                            \
  BINARY_CASE("f64", IG_F64, lo, hi, (3, 4), (4)),                                              \
  {.name = "scalars", .inputs = {{.dtype = IG_F32, .fill = IG_FILL_UNIFORM, .low = (lo) + 0.3,    \
                                  .high = (hi)},                                                 \
                                 {.dtype = IG_F32, .fill = IG_FILL_UNIFORM, .low = (lo) + 0.3,    \
                                  .high = (hi)}}},                                               \
  {.name = "threads", .inputs = {SPREAD(IG_F32, lo, hi, 33, 1100),                              \
                                 SPREAD(IG_F32, lo, hi, 33, 1100)},                             \
   .no_grad_check = true, .why = REASON_SIZE},                                                     \
  {.name = "threads row", .inputs = {SPREAD(IG_F32, lo, hi, 7, 33, 200),                        \
                                     SPREAD(IG_F32, lo, hi, 33, 200)},                          \
   .no_grad_check = true, .why = REASON_SIZE}

#define INT_OPERAND(type, lo, hi)                                                             \
  { .dtype = (type), .shape = DIMS(4, 9), .fill = IG_FILL_INT, .low = (lo), .high = (hi) }
#define BINARY_INT_CASES(lo, hi)                                                                \
  {.name = "i64", .inputs = {INT_OPERAND(IG_I64, lo, hi), INT_OPERAND(IG_I64, lo, hi)}},     \
  {.name = "i32", .inputs = {INT_OPERAND(IG_I32, lo, hi), INT_OPERAND(IG_I32, lo, hi)}},     \
  {.name = "u8", .inputs = {INT_OPERAND(IG_U8, IG_MAX(lo, 0), hi),                              \
                            INT_OPERAND(IG_U8, IG_MAX(lo, 0), hi)}}

#define BINARY_WIDE_CASES(lo, hi)                                                                  \
  {.name = "i8", .inputs = {INT_OPERAND(IG_I8, lo, hi), INT_OPERAND(IG_I8, lo, hi)}},              \
  {.name = "i16", .inputs = {INT_OPERAND(IG_I16, lo, hi), INT_OPERAND(IG_I16, lo, hi)}},           \
  {.name = "u16", .inputs = {INT_OPERAND(IG_U16, IG_MAX(lo, 0), hi),                               \
                             INT_OPERAND(IG_U16, IG_MAX(lo, 0), hi)}},                             \
  {.name = "u32", .inputs = {INT_OPERAND(IG_U32, IG_MAX(lo, 0), hi),                               \
                             INT_OPERAND(IG_U32, IG_MAX(lo, 0), hi)}},                             \
  {.name = "u64", .inputs = {INT_OPERAND(IG_U64, IG_MAX(lo, 0), hi),                               \
                             INT_OPERAND(IG_U64, IG_MAX(lo, 0), hi)}}

#define BOOL_CASES                                                                                 \
  {.name = "bool", .inputs = {INT_OPERAND(IG_BOOL, 0, 1), INT_OPERAND(IG_BOOL, 0, 1)}},            \
  {.name = "bool row", .inputs = {INT_OPERAND(IG_BOOL, 0, 1),                                      \
                                  {.dtype = IG_BOOL, .shape = DIMS(9), .fill = IG_FILL_INT,        \
                                   .high = 1}}}

#endif
