/* Cases of ingot.RNNGrad. */
#include "recurrent_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, recurrent_reference, 6, 2, 0x2f, in, out);
}

static const ig_op_case cases[] = {
    {.name = "plain",
     .inputs = {NORMAL(IG_F32, 3, 2, 4), NORMAL(IG_F32, 1, 5, 4), NORMAL(IG_F32, 1, 5, 5), NORMAL(IG_F32, 1, 10), ABSENT, ABSENT, NORMAL(IG_F32, 3, 1, 2, 5)},
     .n_outputs = 4, .tolerance = 1e-4},
    {.name = "both ways, lengths",
     .inputs = {NORMAL(IG_F32, 4, 3, 3), NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 2, 6), LENGTHS(2, 4, 0), NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 4, 2, 3, 3), NORMAL(IG_F32, 2, 3, 3)},
     .n_attrs = 1,
     .attrs = {A_STRING("direction", "bidirectional")},
     .n_outputs = 5, .tolerance = 1e-4},
    {.name = "backwards, batch first",
     .inputs = {NORMAL(IG_F32, 2, 3, 3), NORMAL(IG_F32, 1, 4, 3), NORMAL(IG_F32, 1, 4, 4), NORMAL(IG_F32, 1, 8), LENGTHS(3, 1), NORMAL(IG_F32, 2, 1, 4), NORMAL(IG_F32, 2, 3, 1, 4), NORMAL(IG_F32, 2, 1, 4)},
     .n_attrs = 2,
     .attrs = {A_STRING("direction", "reverse"), A_INT("layout", 1)},
     .n_outputs = 5, .tolerance = 1e-4},
    {.name = "no bias, f64",
     .inputs = {NORMAL(IG_F64, 2, 2, 2), NORMAL(IG_F64, 1, 3, 2), NORMAL(IG_F64, 1, 3, 3), ABSENT, ABSENT, NORMAL(IG_F64, 1, 2, 3), NORMAL(IG_F64, 2, 1, 2, 3), NORMAL(IG_F64, 1, 2, 3)},
     .n_outputs = 4, .tolerance = 1e-4},
    {.name = "clipped",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 1, 4, 3), NORMAL(IG_F32, 1, 4, 4), NORMAL(IG_F32, 1, 8), ABSENT, NORMAL(IG_F32, 1, 2, 4), NORMAL(IG_F32, 3, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4)},
     .n_attrs = 1,
     .attrs = {A_FLOAT("clip", 0.8f)},
     .n_outputs = 5, .tolerance = 1e-4},
    {.name = "other functions",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 2, 4, 3), NORMAL(IG_F32, 2, 4, 4), NORMAL(IG_F32, 2, 8), ABSENT, NORMAL(IG_F32, 2, 2, 4), NORMAL(IG_F32, 3, 2, 2, 4), NORMAL(IG_F32, 2, 2, 4)},
     .n_attrs = 3,
     .attrs = {A_STRING("direction", "bidirectional"), WORDS("activations", "Softsign", "Elu"), PARAMETERS("activation_alpha", 1, 0.3f)},
     .n_outputs = 5, .tolerance = 1e-4},
    {.name = "scaled tanh",
     .inputs = {NORMAL(IG_F32, 3, 2, 3), NORMAL(IG_F32, 1, 4, 3), NORMAL(IG_F32, 1, 4, 4), NORMAL(IG_F32, 1, 8), ABSENT, NORMAL(IG_F32, 1, 2, 4), NORMAL(IG_F32, 3, 1, 2, 4), NORMAL(IG_F32, 1, 2, 4)},
     .n_attrs = 3,
     .attrs = {WORDS("activations", "ScaledTanh"), PARAMETERS("activation_alpha", 1, 0.3f), PARAMETERS("activation_beta", 1, 0.6f)},
     .n_outputs = 5, .tolerance = 1e-4},
};

const ig_op_cases ig_cases_rnn_grad = {
    .op = "ingot.RNNGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
