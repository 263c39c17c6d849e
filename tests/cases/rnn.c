/* Cases of RNN. */
#include "recurrent_cases.h"

static const ig_op_case cases[] = {
    {.name = "plain",
     .inputs = {NORMAL(IG_F32, 3, 2, 4), NORMAL(IG_F32, 1, 5, 4), NORMAL(IG_F32, 1, 5, 5), NORMAL(IG_F32, 1, 10), ABSENT, ABSENT},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "both ways, lengths",
     .inputs = {NORMAL(IG_F32, 4, 3, 3), NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 2, 6), LENGTHS(2, 4, 0), NORMAL(IG_F32, 2, 3, 3)},
     .n_attrs = 1,
     .attrs = {A_STRING("direction", "bidirectional")},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "backwards, batch first",
     .inputs = {NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 1, 4, 3), NORMAL(IG_F32, 1, 4, 4), NORMAL(IG_F32, 1, 8), LENGTHS(3, 1), NORMAL(IG_F32, 2, 1, 4)},
     .n_attrs = 2,
     .attrs = {A_STRING("direction", "reverse"), A_INT("layout", 1)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "no bias, f64",
     .inputs = {NORMAL(IG_F64, 2, 2, 2), NORMAL(IG_F64, 1, 3, 2), NORMAL(IG_F64, 1, 3, 3), ABSENT, ABSENT, NORMAL(IG_F64, 1, 2, 3)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "clipped",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 1, 4, 3), NORMAL(IG_F32, 1, 4, 4), NORMAL(IG_F32, 1, 8), ABSENT, NORMAL(IG_F32, 1, 2, 4)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("clip", 0.8f)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "wide",
     .inputs = {NORMAL(IG_F32, 3, 5, 20), NORMAL(IG_F32, 1, 16, 20), NORMAL(IG_F32, 1, 16, 16), NORMAL(IG_F32, 1, 32), ABSENT, ABSENT},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3, BIG},
    {.name = "other functions",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 2, 4, 3), NORMAL(IG_F32, 2, 4, 4), NORMAL(IG_F32, 2, 8), ABSENT, NORMAL(IG_F32, 2, 2, 4)},
     .n_attrs = 3,
     .attrs = {A_STRING("direction", "bidirectional"), WORDS("activations", "Softsign", "Elu"), PARAMETERS("activation_alpha", 1, 0.3f)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "scaled tanh",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 1, 4, 3), NORMAL(IG_F32, 1, 4, 4), NORMAL(IG_F32, 1, 8), ABSENT, NORMAL(IG_F32, 1, 2, 4)},
     .n_attrs = 3,
     .attrs = {WORDS("activations", "ScaledTanh"), PARAMETERS("activation_alpha", 1, 0.3f), PARAMETERS("activation_beta", 1, 0.6f)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
};

const ig_op_cases ig_cases_rnn = {
    .op = "RNN", .reference = recurrent_reference, .n_cases = IG_COUNT(cases), .cases = cases};
