/* Cases of Where. */
#include "elementwise_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  IG_UNUSED(node);
  int64_t n = ig_shape_count(&out->shape);
  for (int64_t i = 0; i < n; i++) {
    int chosen = broadcast_at(&in[0], &out->shape, i) != 0 ? 1 : 2;
    out->data[i] = broadcast_at(&in[chosen], &out->shape, i);
  }
}

#define FLAGS(...)                                                                                 \
  { .dtype = IG_BOOL, .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .high = 1 }
#define NUMBERS(type, ...)                                                                         \
  { .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_INT, .low = -99, .high = 99 }

static const ig_op_case cases[] = {
    {.name = "same",
     .inputs = {FLAGS(3, 37), SPREAD(IG_F32, -4, 4, 3, 37), SPREAD(IG_F32, -4, 4, 3, 37)}},
    {.name = "image",
     .inputs = {FLAGS(2, 20, 3, 3), SPREAD(IG_F32, -4, 4, 2, 20, 3, 3),
                SPREAD(IG_F32, -4, 4, 2, 20, 3, 3)}},
    {.name = "scalars",
     .inputs = {FLAGS(3, 37), SPREAD(IG_F32, -4, 4, 1), SPREAD(IG_F32, -4, 4, 1, 1)}},
    {.name = "mask",
     .inputs = {FLAGS(5, 6), SPREAD(IG_F32, -4, 4, 2, 3, 5, 6), SPREAD(IG_F32, -4, 4, 1)}},
    {.name = "row choice",
     .inputs = {FLAGS(4, 1), SPREAD(IG_F32, -4, 4, 7), SPREAD(IG_F32, -4, 4, 4, 7)}},
    {.name = "f64", .inputs = {FLAGS(9), SPREAD(IG_F64, -4, 4, 9), SPREAD(IG_F64, -4, 4, 9)}},
    {.name = "i64", .inputs = {FLAGS(9), NUMBERS(IG_I64, 9), NUMBERS(IG_I64, 1)}},
    {.name = "i32", .inputs = {FLAGS(9), NUMBERS(IG_I32, 9), NUMBERS(IG_I32, 9)}},
    {.name = "i8", .inputs = {FLAGS(9), NUMBERS(IG_I8, 9), NUMBERS(IG_I8, 9)}},
    {.name = "i16", .inputs = {FLAGS(9), NUMBERS(IG_I16, 9), NUMBERS(IG_I16, 9)}},
    {.name = "bool", .inputs = {FLAGS(9), FLAGS(9), FLAGS(9)}},
    {.name = "i4",
     .inputs = {FLAGS(9),
                {.dtype = IG_I4, .shape = DIMS(9), .fill = IG_FILL_INT, .low = -8, .high = 7},
                {.dtype = IG_I4, .shape = DIMS(9), .fill = IG_FILL_INT, .low = -8, .high = 7}}},
    {.name = "e4m3fnuz", .inputs = {FLAGS(9), SPREAD(IG_F8E4M3FNUZ, -4, 4, 9), SPREAD(IG_F8E4M3FNUZ, -4, 4, 9)}},
    {.name = "threads",
     .inputs = {FLAGS(9, 5000), SPREAD(IG_F32, -4, 4, 9, 5000), SPREAD(IG_F32, -4, 4, 5000)},
     .no_grad_check = true,
     .why = REASON_SIZE},
};

const ig_op_cases ig_cases_where = {
    .op = "Where", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
