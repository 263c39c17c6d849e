/* Cases of Mod. */
#include "elementwise_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  bool c = *(const int64_t *)node->attrs, whole = !ig_dtype_is_float(node->inputs[0]->dtype);
  int64_t n = ig_shape_count(&out->shape);
  for (int64_t i = 0; i < n; i++) {
    double a = broadcast_at(&in[0], &out->shape, i), b = broadcast_at(&in[1], &out->shape, i);
    out->data[i] = whole && b == 0 ? 0 : c ? fmod(a, b) : a - b * floor(a / b);
  }
}

#define C_LIKE .n_attrs = 1, .attrs = {{.name = "fmod", .type = IG_ATTR_INT, .i = 1}}
#define REALS(title, type, ...)                                                                    \
  {                                                                                                \
    .name = (title), .inputs = {SPREAD(type, -4, 4, 5, 7), SPREAD(type, 5, 9, __VA_ARGS__)}, C_LIKE \
  }
#define WHOLE(title, type)                                                                         \
  { .name = (title), .inputs = {INT_OPERAND(type, -99, 99), INT_OPERAND(type, -9, 9)}, C_LIKE }

static const double dividends[] = {5.5, -5.5, 5.5, -5.5, 0, INFINITY, 3, NAN, 7};
static const double divisors[] = {2, 2, -2, -2, 3, 2, INFINITY, 1, 0};
#define LISTED(list)                                                                               \
  {                                                                                                \
    .dtype = IG_F32, .shape = DIMS(9), .fill = IG_FILL_VALUES, .values = (list), .n_values = 9,    \
    .no_grad = true                                                                                \
  }


static const ig_op_case cases[] = {
    BINARY_INT_CASES(-99, 9), BINARY_WIDE_CASES(-99, 9),
    WHOLE("fmod i64", IG_I64), WHOLE("fmod i8", IG_I8),
    REALS("fmod", IG_F32, 5, 7), REALS("fmod row", IG_F32, 7), REALS("fmod f64", IG_F64, 5, 1),
    {.name = "fmod wraps", .inputs = {SPREAD(IG_F64, 10.1, 14.9, 5), SPREAD(IG_F64, 5, 5.01, 5)}, C_LIKE},
    {.name = "fmod special", .inputs = {LISTED(dividends), LISTED(divisors)}, C_LIKE},
};

const ig_op_cases ig_cases_mod = {
    .op = "Mod", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
