/* Cases of Unsqueeze. */
#include "case_tools.h"

static const ig_op_case cases[] = {
    {.name = "both ends", .inputs = {NORMAL(IG_F32, 3, 2), LIST(0, -1)}},
    {.name = "unordered", .inputs = {INTS(IG_I8, -9, 9, 4), LIST(2, 0)}},
};

const ig_op_cases ig_cases_unsqueeze = {
    .op = "Unsqueeze", .reference = copy_reference, .n_cases = IG_COUNT(cases), .cases = cases};
