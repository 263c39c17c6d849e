/* Cases of Flatten. */
#include "case_tools.h"

static const ig_op_case cases[] = {
    {.name = "default", .inputs = {NORMAL(IG_F32, 2, 3, 4)}},
    {.name = "all", .inputs = {NORMAL(IG_F32, 2, 3)}, .n_attrs = 1, .attrs = {A_INT("axis", 0)}},
    {.name = "end", .inputs = {NORMAL(IG_F32, 2, 3)}, .n_attrs = 1, .attrs = {A_INT("axis", 2)}},
    {.name = "negative",
     .inputs = {INTS(IG_U8, 0, 255, 2, 3, 4, 5)},
     .n_attrs = 1,
     .attrs = {A_INT("axis", -1)}},
};

const ig_op_cases ig_cases_flatten = {
    .op = "Flatten", .reference = copy_reference, .n_cases = IG_COUNT(cases), .cases = cases};
