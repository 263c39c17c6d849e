/* Cases of NegativeLogLikelihoodLoss. */
#include "nll_cases.h"

static const ig_op_case cases[] = {
    {.name = "mean", .inputs = {NORMAL(IG_F32, 5, 4), INTS(IG_I64, 0, 3, 5)}},
    {.name = "weighted mean over planes, one class ignored",
     .inputs = {NORMAL(IG_F32, 2, 4, 3, 2), INTS(IG_I32, 0, 3, 2, 3, 2), POSITIVE(IG_F32, 4)},
     .n_attrs = 1,
     .attrs = {A_INT("ignore_index", 1)}},
    {.name = "each, weighted",
     .inputs = {NORMAL(IG_F64, 2, 3, 4), INTS(IG_I64, 0, 2, 2, 4), POSITIVE(IG_F64, 3)},
     .n_attrs = 1,
     .attrs = {A_STRING("reduction", "none")}},
    {.name = "sum, an ignored index that is no class",
     .inputs = {NORMAL(IG_F32, 6, 3), INTS(IG_I64, -1, 2, 6)},
     .n_attrs = 2,
     .attrs = {A_STRING("reduction", "sum"), A_INT("ignore_index", -1)}},
};

const ig_op_cases ig_cases_negative_log_likelihood_loss = {.op = "NegativeLogLikelihoodLoss",
                                                           .reference = nll_reference,
                                                           .n_cases = IG_COUNT(cases),
                                                           .cases = cases};
