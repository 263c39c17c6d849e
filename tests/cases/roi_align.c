/* Cases of RoiAlign. */
#include "roi_align_cases.h"

static const ig_op_case cases[] = {
    {.name = "means", .inputs = {ROI_INPUTS(IG_F64)}, .n_attrs = 3, .attrs = {ROI_BINS}},
    {.name = "means of four samples, output half pixel",
     .inputs = {ROI_INPUTS(IG_F64)},
     .n_attrs = 5,
     .attrs = {ROI_BINS, A_INT("sampling_ratio", 2),
               A_STRING("coordinate_transformation_mode", "output_half_pixel")}},
    {.name = "maxima",
     .inputs = {ROI_INPUTS(IG_F64)},
     .n_attrs = 5,
     .attrs = {ROI_BINS, A_INT("sampling_ratio", 2), A_STRING("mode", "max")}},
    {.name = "in f32",
     .inputs = {ROI_INPUTS(IG_F32)},
     .n_attrs = 4,
     .attrs = {ROI_BINS, A_INT("sampling_ratio", 3)}},
};

const ig_op_cases ig_cases_roi_align = {.op = "RoiAlign",
                                        .reference = roi_align_reference,
                                        .n_cases = IG_COUNT(cases),
                                        .cases = cases};
