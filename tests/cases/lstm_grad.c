/* Cases of ingot.LSTMGrad. */
#include "recurrent_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, recurrent_reference, 8, 3, 0xef, in, out);
}

static const ig_op_case cases[] = {
    {.name = "plain",
     .inputs = {NORMAL(IG_F32, 3, 2, 4), NORMAL(IG_F32, 1, 20, 4), NORMAL(IG_F32, 1, 20, 5), NORMAL(IG_F32, 1, 40), ABSENT, ABSENT, ABSENT, ABSENT, NORMAL(IG_F32, 3, 1, 2, 5)},
     .n_outputs = 4, .tolerance = 1e-4},
    {.name = "both ways, lengths",
     .inputs = {NORMAL(IG_F32, 4, 3, 3), NORMAL(IG_F32, 2, 12, 3), NORMAL(IG_F32, 2, 12, 3), NORMAL(IG_F32, 2, 24), LENGTHS(2, 4, 0), NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 2, 3, 3), ABSENT, NORMAL(IG_F32, 4, 2, 3, 3), NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 2, 3, 3)},
     .n_attrs = 1,
     .attrs = {A_STRING("direction", "bidirectional")},
     .n_outputs = 6, .tolerance = 1e-4},
    {.name = "backwards, batch first",
     .inputs = {NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 1, 16, 3), NORMAL(IG_F32, 1, 16, 4), NORMAL(IG_F32, 1, 32), LENGTHS(3, 1), NORMAL(IG_F32, 2, 1, 4), NORMAL(IG_F32, 2, 1, 4), ABSENT, NORMAL(IG_F32, 2, 3, 1, 4), NORMAL(IG_F32, 2, 1, 4), NORMAL(IG_F32, 2, 1, 4)},
     .n_attrs = 2,
     .attrs = {A_STRING("direction", "reverse"), A_INT("layout", 1)},
     .n_outputs = 6, .tolerance = 1e-4},
    {.name = "no bias, f64",
     .inputs = {NORMAL(IG_F64, 2, 2, 2), NORMAL(IG_F64, 1, 12, 2), NORMAL(IG_F64, 1, 12, 3), ABSENT, ABSENT, NORMAL(IG_F64, 1, 2, 3), NORMAL(IG_F64, 1, 2, 3), ABSENT, NORMAL(IG_F64, 2, 1, 2, 3), NORMAL(IG_F64, 1, 2, 3), NORMAL(IG_F64, 1, 2, 3)},
     .n_outputs = 5, .tolerance = 1e-4},
    {.name = "clipped",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 1, 16, 3), NORMAL(IG_F32, 1, 16, 4), NORMAL(IG_F32, 1, 32), ABSENT, NORMAL(IG_F32, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4), ABSENT, NORMAL(IG_F32, 3, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("clip", 0.8f)},
     .n_outputs = 6, .tolerance = 1e-4},
    {.name = "peepholes, no bias",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 2, 12, 3), NORMAL(IG_F32, 2, 12, 3), ABSENT, LENGTHS(3, 2), NORMAL(IG_F32, 2, 2, 3), NORMAL(IG_F32, 2, 2, 3), NORMAL(IG_F32, 2, 9), NORMAL(IG_F32, 3, 2, 2, 3), NORMAL(IG_F32, 2, 2, 3), NORMAL(IG_F32, 2, 2, 3)},
     .n_attrs = 1,
     .attrs = {A_STRING("direction", "bidirectional")},
     .n_outputs = 6, .tolerance = 1e-4},
    {.name = "coupled gates",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 1, 16, 3), NORMAL(IG_F32, 1, 16, 4), NORMAL(IG_F32, 1, 32), ABSENT, NORMAL(IG_F32, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4), ABSENT, NORMAL(IG_F32, 3, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4)},
     .n_attrs = 1,
     .attrs = {A_INT("input_forget", 1)},
     .n_outputs = 6, .tolerance = 1e-4},
    {.name = "other functions",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 1, 16, 3), NORMAL(IG_F32, 1, 16, 4), NORMAL(IG_F32, 1, 32), ABSENT, NORMAL(IG_F32, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4), ABSENT, NORMAL(IG_F32, 3, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4)},
     .n_attrs = 3,
     .attrs = {WORDS("activations", "HardSigmoid", "LeakyRelu", "Affine"), PARAMETERS("activation_alpha", 3, 0.3f), PARAMETERS("activation_beta", 2, 0.6f)},
     .n_outputs = 6, .tolerance = 1e-4},
};

const ig_op_cases ig_cases_lstm_grad = {
    .op = "ingot.LSTMGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
