/* Cases of GRU. */
#include "recurrent_cases.h"

static const ig_op_case cases[] = {
    {.name = "plain",
     .inputs = {NORMAL(IG_F32, 3, 2, 4), NORMAL(IG_F32, 1, 15, 4), NORMAL(IG_F32, 1, 15, 5), NORMAL(IG_F32, 1, 30), ABSENT, ABSENT},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "both ways, lengths",
     .inputs = {NORMAL(IG_F32, 4, 3, 3), NORMAL(IG_F32, 2, 9, 3), NORMAL(IG_F32, 2, 9, 3), NORMAL(IG_F32, 2, 18), LENGTHS(2, 4, 0), NORMAL(IG_F32, 2, 3, 3)},
     .n_attrs = 1,
     .attrs = {A_STRING("direction", "bidirectional")},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "backwards, batch first",
     .inputs = {NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 1, 12, 3), NORMAL(IG_F32, 1, 12, 4), NORMAL(IG_F32, 1, 24), LENGTHS(3, 1), NORMAL(IG_F32, 2, 1, 4)},
     .n_attrs = 2,
     .attrs = {A_STRING("direction", "reverse"), A_INT("layout", 1)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "no bias, f64",
     .inputs = {NORMAL(IG_F64, 2, 2, 2), NORMAL(IG_F64, 1, 9, 2), NORMAL(IG_F64, 1, 9, 3), ABSENT, ABSENT, NORMAL(IG_F64, 1, 2, 3)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "clipped",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 1, 12, 3), NORMAL(IG_F32, 1, 12, 4), NORMAL(IG_F32, 1, 24), ABSENT, NORMAL(IG_F32, 1, 2, 4)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("clip", 0.8f)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "wide",
     .inputs = {NORMAL(IG_F32, 3, 5, 20), NORMAL(IG_F32, 1, 48, 20), NORMAL(IG_F32, 1, 48, 16), NORMAL(IG_F32, 1, 96), ABSENT, ABSENT},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3, BIG},
    {.name = "linear before reset",
     .inputs = {NORMAL(IG_F32, 4, 2, 3), NORMAL(IG_F32, 2, 9, 3), NORMAL(IG_F32, 2, 9, 3), NORMAL(IG_F32, 2, 18), LENGTHS(4, 2), NORMAL(IG_F32, 2, 2, 3)},
     .n_attrs = 2,
     .attrs = {A_STRING("direction", "bidirectional"), A_INT("linear_before_reset", 1)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
    {.name = "other functions",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 1, 12, 3), NORMAL(IG_F32, 1, 12, 4), NORMAL(IG_F32, 1, 24), ABSENT, NORMAL(IG_F32, 1, 2, 4)},
     .n_attrs = 3,
     .attrs = {WORDS("activations", "HardSigmoid", "Softplus"), PARAMETERS("activation_alpha", 1, 0.3f), PARAMETERS("activation_beta", 1, 0.6f)},
     .n_outputs = 2, .tolerance = 2e-5, .grad_outputs = 3},
};

const ig_op_cases ig_cases_gru = {
    .op = "GRU", .reference = recurrent_reference, .n_cases = IG_COUNT(cases), .cases = cases};
