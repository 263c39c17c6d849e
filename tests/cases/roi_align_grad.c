/* Cases of ingot.RoiAlignGrad. */
#include "roi_align_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  twin_reference(node, roi_align_reference, 3, 1, 1, in, out);
}

static const ig_op_case cases[] = {
    {.name = "means",
     .inputs = {ROI_INPUTS(IG_F64), NORMAL(IG_F64, 3, 2, 2, 3)},
     .n_attrs = 3,
     .attrs = {ROI_BINS},
     .tolerance = 1e-6},
    {.name = "maxima",
     .inputs = {ROI_INPUTS(IG_F64), NORMAL(IG_F64, 3, 2, 2, 3)},
     .n_attrs = 5,
     .attrs = {ROI_BINS, A_INT("sampling_ratio", 2), A_STRING("mode", "max")},
     .tolerance = 1e-6},
};

const ig_op_cases ig_cases_roi_align_grad = {.op = "ingot.RoiAlignGrad",
                                             .reference = reference,
                                             .n_cases = IG_COUNT(cases),
                                             .cases = cases};
