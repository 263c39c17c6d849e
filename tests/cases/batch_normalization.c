/* Cases of BatchNormalization. */
#include "batch_norm_cases.h"

static void reference(const ig_node *node, const ig_case_array *in, ig_case_array *out) {
  batch_norm_reference(node, in, out, NULL, false);
}

#define FAR(type, ...)                                                                             \
  {                                                                                                \
    .dtype = (type), .shape = DIMS(__VA_ARGS__), .fill = IG_FILL_UNIFORM, .low = 99, .high = 101   \
  }

static const ig_op_case cases[] = {
    {.name = "inference", .inputs = {OPERANDS(IG_F32, 5, 3, 5, 4, 6)}},
    {.name = "inference, rows", .inputs = {OPERANDS(IG_F32, 21, 7, 21)}},
    {.name = "training", .inputs = {OPERANDS(IG_F32, 5, 3, 5, 4, 6)}, .n_attrs = 1, .attrs = {TRAINING},
     .n_outputs = 3},
    {.name = "training, blocks",
     .inputs = {OPERANDS(IG_F32, 35, 2, 35, 3, 3)},
     .n_attrs = 3,
     .attrs = {TRAINING, A_FLOAT("momentum", 0.25f), A_FLOAT("epsilon", 0.125f)},
     .n_outputs = 5},
    {.name = "training, rows",
     .inputs = {OPERANDS(IG_F32, 21, 9, 21)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 3},
    {.name = "training, sequences",
     .inputs = {OPERANDS(IG_F32, 3, 2, 3, 70)},
     .n_attrs = 1,
     .attrs = {TRAINING}},
    {.name = "far from zero",
     .inputs = {FAR(IG_F32, 4, 3, 9, 8), NORMAL(IG_F32, 3), NORMAL(IG_F32, 3), FIXED(IG_F32, 3),
                POSITIVE(IG_F32, 3)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 5,
     .tolerance = 1e-4,
     .grad_tolerance = 1e-2},
    {.name = "f64", .inputs = {OPERANDS(IG_F64, 3, 2, 3, 5)}, .n_attrs = 1, .attrs = {TRAINING},
     .n_outputs = 5},
    {.name = "several segments",
     .inputs = {OPERANDS(IG_F32, 2, 5, 2, 130, 131)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 5, BIG},
    {.name = "threads",
     .inputs = {OPERANDS(IG_F32, 40, 16, 40, 12, 13)},
     .n_attrs = 1,
     .attrs = {TRAINING},
     .n_outputs = 5, BIG},
    {.name = "empty", .inputs = {OPERANDS(IG_F32, 4, 0, 4, 2, 2)}},
};

const ig_op_cases ig_cases_batch_normalization = {.op = "BatchNormalization",
                                                  .reference = reference,
                                                  .n_cases = IG_COUNT(cases),
                                                  .cases = cases};
