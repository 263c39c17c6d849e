/* Cases of ingot.Await on one rank; with several, tests/unit/test_data_parallel.c. */
#include "case_tools.h"

static const ig_op_case cases[] = {
    {.name = "alone", .inputs = {NORMAL(IG_F32, 32)}},
    {.name = "behind another", .inputs = {NORMAL(IG_F32, 64), FIXED(IG_F32, 48), FIXED(IG_F32, 16)},
     .n_attrs = 1,
     .attrs = {A_INT("after", 1)}},
};

const ig_op_cases ig_cases_await = {
    .op = "ingot.Await", .reference = copy_reference, .n_cases = IG_COUNT(cases), .cases = cases};
