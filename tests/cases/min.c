/* Cases of Min. */
#include "fold_cases.h"

FOLD_REFERENCE(isnan(sum) || isnan(x) ? (double)NAN : fmin(sum, x), n ? sum : 0)

static const ig_op_case cases[] = {
    FOLD_CASES,
    BINARY_INT_CASES(-9, 90),
    BINARY_WIDE_CASES(-9, 90),
};

const ig_op_cases ig_cases_min = {
    .op = "Min", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
