/* Cases of CausalConvWithState. */
#include "linear_attention_cases.h"

static const ig_op_case cases[] = {
    {.name = "from nothing", .inputs = {NORMAL(IG_F32, 2, 3, 5), NORMAL(IG_F32, 3, 1, 4)}},
    {.name = "bias and past, SiLU",
     .inputs = {NORMAL(IG_F32, 2, 3, 5), NORMAL(IG_F32, 3, 1, 4), NORMAL(IG_F32, 3),
                NORMAL(IG_F32, 2, 3, 3)},
     .n_attrs = 1,
     .attrs = {A_STRING("activation", "silu")},
     .n_outputs = 2,
     .grad_outputs = 3},
    {.name = "one step",
     .inputs = {NORMAL(IG_F32, 2, 3, 1), NORMAL(IG_F32, 3, 1, 4), ABSENT, NORMAL(IG_F32, 2, 3, 3)},
     .n_outputs = 2,
     .grad_outputs = 3},
};

const ig_op_cases ig_cases_causal_conv_with_state = {.op = "CausalConvWithState",
                                                     .reference = causal_conv_reference,
                                                     .n_cases = IG_COUNT(cases),
                                                     .cases = cases};
