/* Cases of Identity. */
#include "case_tools.h"

static const ig_op_case cases[] = {
    {.name = "matrix", .inputs = {NORMAL(IG_F32, 3, 5)}},
    {.name = "scalar", .inputs = {{.dtype = IG_BOOL, .shape = NO_DIMS, .fill = IG_FILL_INT, .high = 1}}},
};

const ig_op_cases ig_cases_identity = {
    .op = "Identity", .reference = copy_reference, .n_cases = IG_COUNT(cases), .cases = cases};
