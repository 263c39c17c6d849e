/* Cases of ingot.ClipFactor. */
#include "case_tools.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  double norm = in->data[0];
  out->data[0] = isfinite(norm) ? fmin(1, attr_float(node, "max_norm") / (norm + 1e-6)) : NAN;
}

#define MOST(value) .n_attrs = 1, .attrs = {A_FLOAT("max_norm", value)}

static const ig_op_case cases[] = {
    {.name = "clips", .inputs = {SCALAR_AS(IG_F32, false, 4)}, MOST(0.5f)},
    {.name = "leaves", .inputs = {SCALAR_AS(IG_F32, false, 0.25)}, MOST(0.5f)},
    {.name = "zero", .inputs = {SCALAR_AS(IG_F32, false, 0)}},
    {.name = "infinite", .inputs = {SCALAR_AS(IG_F32, false, INFINITY)}},
    {.name = "undefined", .inputs = {SCALAR_AS(IG_F32, false, NAN)}},
};

const ig_op_cases ig_cases_clip_factor = {
    .op = "ingot.ClipFactor", .reference = reference, .n_cases = IG_COUNT(cases), .cases = cases};
