/* Cases of Mean. */
#include "fold_cases.h"

FOLD_REFERENCE(sum + x, sum / n)

static const ig_op_case cases[] = {
    FOLD_CASES,
};

const ig_op_cases ig_cases_mean = {
    .op = "Mean", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
