/* Cases of ingot.CausalConvWithStateGrad. */
#include "linear_attention_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, causal_conv_reference, 4, 2, 15, in, out);
}

static const ig_op_case cases[] = {
    {.name = "bias and past, SiLU",
     .inputs = {NORMAL(IG_F64, 2, 3, 5), NORMAL(IG_F64, 3, 1, 4), NORMAL(IG_F64, 3),
                NORMAL(IG_F64, 2, 3, 3), NORMAL(IG_F64, 2, 3, 5), NORMAL(IG_F64, 2, 3, 3)},
     .n_attrs = 1,
     .attrs = {A_STRING("activation", "swish")},
     .n_outputs = 4,
     .tolerance = 1e-6},
    {.name = "the state alone",
     .inputs = {NORMAL(IG_F64, 2, 3, 2), NORMAL(IG_F64, 3, 1, 4), ABSENT, NORMAL(IG_F64, 2, 3, 3),
                ABSENT, NORMAL(IG_F64, 2, 3, 3)},
     .n_outputs = 3,
     .tolerance = 1e-6},
};

const ig_op_cases ig_cases_causal_conv_with_state_grad = {.op = "ingot.CausalConvWithStateGrad",
                                                          .reference = reference,
                                                          .n_cases = IG_COUNT(cases),
                                                          .cases = cases};
