/* Cases of ingot.STFTGrad. */
#include "dft_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, stft_reference, 4, 1, 5, in, out);
}

static const ig_op_case cases[] = {
    {.name = "a window",
     .inputs = {NORMAL(IG_F64, 2, 14, 1), KNOWN(4), NORMAL(IG_F64, 6), ABSENT, NORMAL(IG_F64, 2, 3, 4, 2)},
     .n_outputs = 2,
     .tolerance = 1e-7},
};

const ig_op_cases ig_cases_stft_grad = {
    .op = "ingot.STFTGrad", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
