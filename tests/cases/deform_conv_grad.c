/* Cases of ingot.DeformConvGrad. */
#include "deform_conv_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, deform_conv_reference, 5, 1, 31, in, out);
}

static const ig_op_case cases[] = {
    {.name = "offsets alone",
     .inputs = {NORMAL(IG_F64, 1, 2, 4, 5), NORMAL(IG_F64, 3, 2, 2, 2), NORMAL(IG_F64, 1, 8, 3, 4),
                ABSENT, ABSENT, NORMAL(IG_F64, 1, 3, 3, 4)},
     .n_outputs = 3,
     .tolerance = 1e-5},
    {.name = "mask, bias, groups",
     .inputs = {NORMAL(IG_F64, 1, 4, 3, 3), NORMAL(IG_F64, 2, 2, 2, 2), NORMAL(IG_F64, 1, 16, 2, 2),
                NORMAL(IG_F64, 2), NORMAL(IG_F64, 1, 8, 2, 2), NORMAL(IG_F64, 1, 2, 2, 2)},
     .n_attrs = 2,
     .attrs = {A_INT("group", 2), A_INT("offset_group", 2)},
     .n_outputs = 5,
     .tolerance = 1e-5},
};

const ig_op_cases ig_cases_deform_conv_grad = {.op = "ingot.DeformConvGrad",
                                               .reference = reference,
                                               .n_cases = IG_COUNT(cases),
                                               .cases = cases};
