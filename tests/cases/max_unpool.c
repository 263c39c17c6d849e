/* Cases of MaxUnpool. */
#include "max_unpool_cases.h"

static const ig_op_case cases[] = {
    {.name = "by two", .inputs = {MAX_UNPOOL_INPUTS}, .n_attrs = 2, .attrs = {MAX_UNPOOL_ATTRS}},
    {.name = "into a larger shape",
     .inputs = {MAX_UNPOOL_INPUTS, LIST(1, 2, 5, 7)},
     .n_attrs = 2,
     .attrs = {MAX_UNPOOL_ATTRS}},
};

const ig_op_cases ig_cases_max_unpool = {.op = "MaxUnpool",
                                         .reference = max_unpool_reference,
                                         .n_cases = IG_COUNT(cases),
                                         .cases = cases};
