/* Cases of ingot.AllGather on one rank; with several, tests/unit/test_sharding.c. */
#include "case_tools.h"

static const ig_op_case cases[] = {
    {.name = "alone", .inputs = {NORMAL(IG_F32, 32)}},
    {.name = "behind another", .inputs = {NORMAL(IG_F32, 64), FIXED(IG_F32, 16)},
     .n_attrs = 1,
     .attrs = {A_INT("after", 1)}},
};

const ig_op_cases ig_cases_all_gather = {
    .op = "ingot.AllGather", .reference = copy_reference, .n_cases = IG_COUNT(cases), .cases = cases};
