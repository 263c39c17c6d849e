/* Cases of ingot.NegativeLogLikelihoodLossGrad. */
#include "nll_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, nll_reference, 3, 1, 1, in, out);
}

static const ig_op_case cases[] = {
    {.name = "mean",
     .inputs = {NORMAL(IG_F32, 5, 4), INTS(IG_I64, 0, 3, 5), ABSENT, {.dtype = IG_F32}}},
    {.name = "each, weighted",
     .inputs = {NORMAL(IG_F32, 2, 3, 4), INTS(IG_I64, 0, 2, 2, 4), POSITIVE(IG_F32, 3),
                NORMAL(IG_F32, 2, 4)},
     .n_attrs = 2,
     .attrs = {A_STRING("reduction", "none"), A_INT("ignore_index", 1)}},
};

const ig_op_cases ig_cases_negative_log_likelihood_loss_grad = {
    .op = "ingot.NegativeLogLikelihoodLossGrad",
    .reference = reference,
    .n_cases = IG_COUNT(cases),
    .cases = cases};
