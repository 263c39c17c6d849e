/* Cases of ingot.AffineGridGrad. */
#include "affine_grid_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, affine_grid_reference, 2, 1, 1, in, out);
}

static const ig_op_case cases[] = {
    {.name = "planes",
     .inputs = {NORMAL(IG_F32, 2, 2, 3), LIST(2, 5, 3, 4), NORMAL(IG_F32, 2, 3, 4, 2)}},
    {.name = "volumes by corners",
     .inputs = {NORMAL(IG_F32, 2, 3, 4), LIST(2, 1, 2, 3, 4), NORMAL(IG_F32, 2, 2, 3, 4, 3)},
     .n_attrs = 1,
     .attrs = {A_INT("align_corners", 1)}},
};

const ig_op_cases ig_cases_affine_grid_grad = {.op = "ingot.AffineGridGrad",
                                               .reference = reference,
                                               .n_cases = IG_COUNT(cases),
                                               .cases = cases};
