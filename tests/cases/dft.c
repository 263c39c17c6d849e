/* Cases of DFT. */
#include "dft_cases.h"

static const ig_op_case cases[] = {
    {.name = "eight complex numbers", .inputs = {NORMAL(IG_F32, 2, 8, 2)}},
    {.name = "real, a prime length, in the middle",
     .inputs = {NORMAL(IG_F32, 2, 7, 3, 1), ABSENT, KNOWN(1)}},
    {.name = "one-sided, padded",
     .inputs = {NORMAL(IG_F64, 2, 5, 1), KNOWN(9)},
     .n_attrs = 1,
     .attrs = {A_INT("onesided", 1)}},
    {.name = "one-sided, cut",
     .inputs = {NORMAL(IG_F32, 2, 9, 1), KNOWN(6)},
     .n_attrs = 1,
     .attrs = {A_INT("onesided", 1)}},
    {.name = "back", .inputs = {NORMAL(IG_F32, 2, 6, 2)}, .n_attrs = 1, .attrs = {A_INT("inverse", 1)}},
    {.name = "back to real numbers",
     .inputs = {NORMAL(IG_F64, 2, 5, 2)},
     .n_attrs = 2,
     .attrs = {A_INT("inverse", 1), A_INT("onesided", 1)}},
    {.name = "back to an odd number of real numbers",
     .inputs = {NORMAL(IG_F64, 2, 4, 2), KNOWN(7)},
     .n_attrs = 2,
     .attrs = {A_INT("inverse", 1), A_INT("onesided", 1)}},
    {.name = "long", .inputs = {NORMAL(IG_F64, 1, 1000, 2)}, .tolerance = 1e-10, BIG},
};

const ig_op_cases ig_cases_dft = {
    .op = "DFT", .reference = dft_reference, .n_cases = IG_COUNT(cases), .cases = cases};
