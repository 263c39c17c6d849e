/* Cases of ingot.MaxUnpoolGrad. */
#include "max_unpool_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, max_unpool_reference, 3, 1, 1, in, out);
}

static const ig_op_case cases[] = {
    {.name = "by two",
     .inputs = {MAX_UNPOOL_INPUTS, ABSENT, NORMAL(IG_F32, 1, 2, 4, 6)},
     .n_attrs = 2,
     .attrs = {MAX_UNPOOL_ATTRS}},
};

const ig_op_cases ig_cases_max_unpool_grad = {.op = "ingot.MaxUnpoolGrad",
                                              .reference = reference,
                                              .n_cases = IG_COUNT(cases),
                                              .cases = cases};
