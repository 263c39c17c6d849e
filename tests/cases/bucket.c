/* Cases of ingot.Bucket. */
#include "bucket_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  lay_out(node, in, out->data, count_of(out));
}

static const ig_op_case cases[] = {
    {.name = "one, whole lines", .inputs = {NORMAL(IG_F32, 4, 8)}},
    {.name = "gaps", .inputs = {NORMAL(IG_F32, 3, 7), SCALAR_AS(IG_F32, false, 2),
                                NORMAL(IG_F32, 0), NORMAL(IG_F32, 16), NORMAL(IG_F32, 1)}},
    {.name = "three ranks, as bf16",
     .inputs = {NORMAL(IG_F32, 5), NORMAL(IG_F32, 33), NORMAL(IG_F32, 2, 2, 2)},
     .n_attrs = 2,
     .attrs = {A_INT("ranks", 3), A_INT("to", ONNX_BF16)}},
    {.name = "as f16", .inputs = {NORMAL(IG_F32, 5)}, .n_attrs = 1, .attrs = {A_INT("to", ONNX_F16)}},
    {.name = "behind another",
     .inputs = {NORMAL(IG_F32, 7), NORMAL(IG_F32, 2), FIXED(IG_F32, 16)},
     .n_attrs = 1,
     .attrs = {A_INT("after", 1)}},
    {.name = "several pieces",
     .inputs = {NORMAL(IG_F32, 20011), NORMAL(IG_F32, 3), NORMAL(IG_F32, 8192)},
     .n_attrs = 1,
     .attrs = {A_INT("ranks", 8)}},
};

const ig_op_cases ig_cases_bucket = {
    .op = "ingot.Bucket", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
