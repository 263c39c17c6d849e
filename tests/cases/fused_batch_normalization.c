/* Cases of ingot.FusedBatchNormalization. */
#include "batch_norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  batch_norm_reference(node, in, out, node->n_inputs > 5 ? in[5].data : NULL,
                       attr_int(node, "relu") != 0);
}

static const ig_op_case cases[] = {
    {.name = "relu",
     .inputs = {OPERANDS(IG_F32, 5, 3, 5, 4, 6)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 3},
    {.name = "residual",
     .inputs = {OPERANDS(IG_F32, 35, 2, 35, 3, 3), NORMAL(IG_F32, 2, 35, 3, 3)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 5},
    {.name = "residual, planes",
     .inputs = {OPERANDS(IG_F32, 3, 2, 3, 9, 8), NORMAL(IG_F32, 2, 3, 9, 8)},
     .n_attrs = 1,
     .attrs = {TRAINING}},
    {.name = "residual, rows",
     .inputs = {OPERANDS(IG_F32, 21, 9, 21), NORMAL(IG_F32, 9, 21)},
     .n_attrs = 1,
     .attrs = {TRAINING}},
    {.name = "residual alone",
     .inputs = {OPERANDS(IG_F32, 3, 2, 3, 5), NORMAL(IG_F32, 2, 3, 5)},
     .n_attrs = 2,
     .attrs = {TRAINING, A_INT("relu", 0)}},
    {.name = "inference",
     .inputs = {OPERANDS(IG_F32, 5, 3, 5, 4, 6), NORMAL(IG_F32, 3, 5, 4, 6)}},
    {.name = "f64",
     .inputs = {OPERANDS(IG_F64, 3, 2, 3, 5), NORMAL(IG_F64, 2, 3, 5)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 5},
    {.name = "threads",
     .inputs = {OPERANDS(IG_F32, 40, 16, 40, 12, 13), NORMAL(IG_F32, 16, 40, 12, 13)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 5, BIG},
};

const ig_op_cases ig_cases_fused_batch_normalization = {.op = "ingot.FusedBatchNormalization",
                                                        .reference = reference,
                                                        .n_cases = IG_COUNT(cases),
                                                        .cases = cases};
