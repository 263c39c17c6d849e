/* Cases of AffineGrid. */
#include "affine_grid_cases.h"

static const ig_op_case cases[] = {
    {.name = "planes", .inputs = {NORMAL(IG_F32, 2, 2, 3), LIST(2, 5, 3, 4)}},
    {.name = "planes by corners",
     .inputs = {NORMAL(IG_F32, 1, 2, 3), LIST(1, 5, 3, 4)},
     .n_attrs = 1,
     .attrs = {A_INT("align_corners", 1)}},
    {.name = "volumes", .inputs = {NORMAL(IG_F64, 2, 3, 4), LIST(2, 1, 2, 3, 4)}},
};

const ig_op_cases ig_cases_affine_grid = {.op = "AffineGrid",
                                          .reference = affine_grid_reference,
                                          .n_cases = IG_COUNT(cases),
                                          .cases = cases};
