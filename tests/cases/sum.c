/* Cases of Sum. */
#include "fold_cases.h"

FOLD_REFERENCE(sum + x, n ? sum : 0)

static const ig_op_case cases[] = {
    FOLD_CASES,
    BINARY_INT_CASES(-9, 90),
    BINARY_WIDE_CASES(-9, 60),
};

const ig_op_cases ig_cases_sum = {
    .op = "Sum", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
