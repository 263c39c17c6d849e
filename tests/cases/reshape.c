/* Cases of Reshape. */
#include "case_tools.h"

static const ig_op_case cases[] = {
    {.name = "infer", .inputs = {NORMAL(IG_F32, 2, 3, 4), LIST(0, -1)}},
    {.name = "to a scalar", .inputs = {NORMAL(IG_F32, 1, 1), EMPTY_LIST(IG_I64)}},
    {.name = "from a scalar", .inputs = {{.dtype = IG_F64, .shape = NO_DIMS}, LIST(1, 1, 1)}},
    {.name = "empty",
     .inputs = {NORMAL(IG_F32, 0, 3), LIST(3, 0, 2)},
     .n_attrs = 1,
     .attrs = {A_INT("allowzero", 1)}},
    {.name = "i32 shape", .inputs = {INTS(IG_I64, -9, 9, 6), LIST_AS(IG_I32, true, 2, 3)}},
};

const ig_op_cases ig_cases_reshape = {
    .op = "Reshape", .reference = copy_reference, .n_cases = IG_COUNT(cases), .cases = cases};
