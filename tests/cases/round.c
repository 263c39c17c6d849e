/* Cases of Round. */
#include "elementwise_cases.h"

static const double halves[] = {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 8388607.5, 1e30};

UNARY_REFERENCE(rint(x))

static const ig_op_case cases[] = {UNARY_CASES(-3.9, 3.97), UNARY_SPECIAL_CASE(),
    {.name = "halves",
     .inputs = {{.dtype = IG_F32, .shape = DIMS(9), .fill = IG_FILL_VALUES, .values = halves,
                 .n_values = 9, .no_grad = true}}}};

const ig_op_cases ig_cases_round = {
    .op = "Round", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
