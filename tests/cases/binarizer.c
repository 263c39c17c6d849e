/* Cases of ai.onnx.ml.Binarizer. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double threshold = attr_float(node, "threshold");
  for (int64_t i = 0; i < count_of(in); i++) out->data[i] = in->data[i] > threshold;
}

static const ig_op_case cases[] = {
    {.name = "default", .inputs = {NORMAL(IG_F32, 3, 37)}},
    {.name = "threshold", .inputs = {NORMAL(IG_F32, 3, 37)}, .n_attrs = 1, .attrs = {A_FLOAT("threshold", 0.5f)}},
    {.name = "f64", .inputs = {NORMAL(IG_F64, 9)}},
    {.name = "i64", .inputs = {INTS(IG_I64, -9, 9, 40)}},
    {.name = "i32", .inputs = {INTS(IG_I32, -9, 9, 40)}, .n_attrs = 1, .attrs = {A_FLOAT("threshold", 2)}},
    {.name = "empty", .inputs = {NORMAL(IG_F32, 0, 3)}},
};

const ig_op_cases ig_cases_binarizer = {.op = "ai.onnx.ml.Binarizer",
                                   .reference = reference,
                                   .n_cases = IG_COUNT(cases),
                                   .cases = cases};
