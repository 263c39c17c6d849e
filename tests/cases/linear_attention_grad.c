/* Cases of ingot.LinearAttentionGrad. */
#include "linear_attention_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, linear_attention_reference, 6, 2, 63, in, out);
}

#define QKV(type) SMALL(type, 1, 3, 12), SMALL(type, 1, 3, 6), NORMAL(type, 1, 3, 4)

static const ig_op_case cases[] = {
    {.name = "gated delta",
     .inputs = {QKV(IG_F64), NORMAL(IG_F64, 1, 2, 3, 2), SMALL(IG_F64, 1, 3, 6), SMALL(IG_F64, 1, 3, 2),
                NORMAL(IG_F64, 1, 3, 8), NORMAL(IG_F64, 1, 2, 3, 2)},
     .n_attrs = 3,
     .attrs = {RULE("gated_delta"), HEADS(4, 2)},
     .n_outputs = 6,
     .tolerance = 1e-6},
    {.name = "linear, the result alone",
     .inputs = {QKV(IG_F64), ABSENT, ABSENT, ABSENT, NORMAL(IG_F64, 1, 3, 8)},
     .n_attrs = 4,
     .attrs = {RULE("linear"), HEADS(4, 2), A_FLOAT("scale", 0.5f)},
     .n_outputs = 3,
     .tolerance = 1e-6},
};

const ig_op_cases ig_cases_linear_attention_grad = {.op = "ingot.LinearAttentionGrad",
                                                    .reference = reference,
                                                    .n_cases = IG_COUNT(cases),
                                                    .cases = cases};
