/* Cases of DeformConv. */
#include "deform_conv_cases.h"

static const ig_op_case cases[] = {
    {.name = "offsets alone",
     .inputs = {NORMAL(IG_F64, 1, 2, 4, 5), NORMAL(IG_F64, 3, 2, 2, 2), NORMAL(IG_F64, 1, 8, 3, 4)}},
    {.name = "mask, bias, groups",
     .inputs = {NORMAL(IG_F64, 2, 4, 5, 4), NORMAL(IG_F64, 2, 2, 2, 3), NORMAL(IG_F64, 2, 24, 3, 2),
                NORMAL(IG_F64, 2), NORMAL(IG_F64, 2, 12, 3, 2)},
     .n_attrs = 5,
     .attrs = {A_INT("group", 2), A_INT("offset_group", 2), A_INTS("pads", 1, 0, 0, 1),
               A_INTS("strides", 2, 2), A_INTS("dilations", 1, 1)}},
    {.name = "dilated, in f32",
     .inputs = {NORMAL(IG_F32, 1, 2, 5, 5), NORMAL(IG_F32, 2, 2, 2, 2), NORMAL(IG_F32, 1, 8, 3, 3)},
     .n_attrs = 1,
     .attrs = {A_INTS("dilations", 2, 2)},
     .tolerance = 1e-4},
};

const ig_op_cases ig_cases_deform_conv = {.op = "DeformConv",
                                          .reference = deform_conv_reference,
                                          .n_cases = IG_COUNT(cases),
                                          .cases = cases};
