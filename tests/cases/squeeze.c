/* Cases of Squeeze. */
#include "case_tools.h"

static const ig_op_case cases[] = {
    {.name = "named", .inputs = {NORMAL(IG_F32, 1, 3, 1, 2), LIST(-2)}},
    {.name = "all", .inputs = {NORMAL(IG_F32, 1, 3, 1)}},
    {.name = "none", .inputs = {NORMAL(IG_F64, 1, 2), EMPTY_LIST(IG_I64)}},
};

const ig_op_cases ig_cases_squeeze = {
    .op = "Squeeze", .reference = copy_reference, .n_cases = IG_COUNT(cases), .cases = cases};
