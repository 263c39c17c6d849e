/* Cases of ingot.DFTGrad. */
#include "dft_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, dft_reference, 3, 1, 1, in, out);
}

static const ig_op_case cases[] = {
    {.name = "complex", .inputs = {NORMAL(IG_F64, 2, 6, 2), ABSENT, ABSENT, NORMAL(IG_F64, 2, 6, 2)}, .tolerance = 1e-7},
    {.name = "one-sided, padded",
     .inputs = {NORMAL(IG_F64, 1, 5, 1), KNOWN(8), ABSENT, NORMAL(IG_F64, 1, 5, 2)},
     .n_attrs = 1,
     .attrs = {A_INT("onesided", 1)},
     .tolerance = 1e-7},
    {.name = "back to real numbers",
     .inputs = {NORMAL(IG_F64, 2, 5, 2), ABSENT, ABSENT, NORMAL(IG_F64, 2, 8, 1)},
     .n_attrs = 2,
     .attrs = {A_INT("inverse", 1), A_INT("onesided", 1)},
     .tolerance = 1e-7},
};

const ig_op_cases ig_cases_dft_grad = {
    .op = "ingot.DFTGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
