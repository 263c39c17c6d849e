/* Cases of ai.onnx.ml.Imputer. */
#include "case_tools.h"

#define A_FLOATS(key, ...)                                                                         \
  {                                                                                                \
    .name = (key), .type = IG_ATTR_FLOATS, .floats = {                                             \
      (int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)),                                       \
      (const float[]){__VA_ARGS__}                                                                 \
    }                                                                                              \
  }

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  bool real = ig_dtype_is_float(node->inputs[0]->dtype);
  ig_floats floats = attr_of(node, "imputed_value_floats").floats;
  ig_ints ints = attr_of(node, "imputed_value_int64s").ints;
  double replaced = real ? attr_float(node, "replaced_value_float")
                         : (double)attr_int(node, "replaced_value_int64");
  for (int64_t i = 0; i < count_of(in); i++) {
    double x = in->data[i];
    bool missing = x == replaced || (isnan(x) && isnan(replaced));
    double other = real ? (double)floats.v[i % floats.n] : (double)ints.v[i % ints.n];
    out->data[i] = missing ? other : x;
  }
}

static const ig_op_case cases[] = {
    {.name = "NaN",
     .inputs = {LIST_AS(IG_F32, false, 1, NAN, 0, NAN)},
     .n_attrs = 2,
     .attrs = {A_FLOATS("imputed_value_floats", 7), A_FLOAT("replaced_value_float", NAN)}},
    {.name = "features",
     .inputs = {{.dtype = IG_F64, .shape = DIMS(9, 3), .fill = IG_FILL_INT, .low = -1, .high = 1, .no_grad = true}},
     .n_attrs = 2,
     .attrs = {A_FLOATS("imputed_value_floats", 5, 6, 7), A_FLOAT("replaced_value_float", -1)}},
    {.name = "i64",
     .inputs = {INTS(IG_I64, 0, 2, 9, 2)},
     .n_attrs = 2,
     .attrs = {A_INTS("imputed_value_int64s", 8, 9), A_INT("replaced_value_int64", 2)}},
    {.name = "i32", .inputs = {INTS(IG_I32, 0, 2, 9)}, .n_attrs = 1, .attrs = {A_INTS("imputed_value_int64s", 8)}},
    {.name = "empty", .inputs = {FIXED(IG_F32, 0, 3)}, .n_attrs = 1, .attrs = {A_FLOATS("imputed_value_floats", 7)}},
};

const ig_op_cases ig_cases_imputer = {.op = "ai.onnx.ml.Imputer",
                                   .reference = reference,
                                   .n_cases = IG_COUNT(cases),
                                   .cases = cases};
