/* Cases of STFT. */
#include "dft_cases.h"

static const ig_op_case cases[] = {
    {.name = "a window", .inputs = {NORMAL(IG_F32, 2, 20, 1), KNOWN(4), NORMAL(IG_F32, 6)}},
    {.name = "frames without a window",
     .inputs = {NORMAL(IG_F32, 1, 20, 1), KNOWN(5), ABSENT, KNOWN(8)}},
    {.name = "complex",
     .inputs = {NORMAL(IG_F64, 2, 13, 2), KNOWN(3), NORMAL(IG_F64, 5), KNOWN(7)},
     .n_attrs = 1,
     .attrs = {A_INT("onesided", 0)}},
};

const ig_op_cases ig_cases_stft = {
    .op = "STFT", .reference = stft_reference, .n_cases = IG_COUNT(cases), .cases = cases};
