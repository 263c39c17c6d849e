/* Cases of ai.onnx.ml.Scaler. */
#include "case_tools.h"

#define A_FLOATS(key, ...)                                                                         \
  {                                                                                                \
    .name = (key), .type = IG_ATTR_FLOATS, .floats = {                                             \
      (int)(sizeof((float[]){__VA_ARGS__}) / sizeof(float)),                                       \
      (const float[]){__VA_ARGS__}                                                                 \
    }                                                                                              \
  }

static double of_feature(const ig_floats *list, int64_t i, double fallback) {
  return list->n ? (double)list->v[i % list->n] : fallback;
}

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  ig_floats offset = attr_of(node, "offset").floats, scale = attr_of(node, "scale").floats;
  for (int64_t i = 0; i < count_of(in); i++)
    out->data[i] = (in->data[i] - of_feature(&offset, i, 0)) * of_feature(&scale, i, 1);
}

static const ig_op_case cases[] = {
    {.name = "features",
     .inputs = {NORMAL(IG_F32, 5, 3)},
     .n_attrs = 2,
     .attrs = {A_FLOATS("offset", 1, -2, 0.5f), A_FLOATS("scale", 2, 3, -1)}},
    {.name = "one", .inputs = {NORMAL(IG_F64, 4)}, .n_attrs = 2, .attrs = {A_FLOATS("offset", 1), A_FLOATS("scale", 2)}},
    {.name = "scale alone", .inputs = {NORMAL(IG_F32, 4, 2)}, .n_attrs = 1, .attrs = {A_FLOATS("scale", 2, 3)}},
    {.name = "nothing", .inputs = {NORMAL(IG_F32, 4, 2)}},
    {.name = "i64", .inputs = {INTS(IG_I64, -9, 9, 4, 2)}, .n_attrs = 1, .attrs = {A_FLOATS("offset", 0.5f, 3)}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3)}},
};

const ig_op_cases ig_cases_scaler = {.op = "ai.onnx.ml.Scaler",
                                   .reference = reference,
                                   .n_cases = IG_COUNT(cases),
                                   .cases = cases};
